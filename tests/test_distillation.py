"""Distillation: the loss and its gradient in closed form, and who is changed by it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sparse_search.architecture import Architecture, Conv2D, ConvBlock
from sparse_search.builder import build_graph
from sparse_search.dataset import Dataset
from sparse_search.distillation import Distillation
from sparse_search.errors import StudyError
from sparse_search.network import Network
from sparse_search.training import TrainingConfig, train

GRAPH = build_graph(Architecture((ConvBlock((Conv2D(3, 3, 2),)),)), (8, 8, 1), 5)
CLASSES = 5


def network(seed: int) -> Network:
    """A network with random weights."""
    return Network(GRAPH, torch.Generator().manual_seed(seed))


def batch(seed: int = 0, count: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of a student that need a gradient, images and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((count, CLASSES), generator=generator, dtype=torch.float64)
    images = torch.rand((count, 1, 8, 8), generator=generator)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    return logits.requires_grad_(), images, labels


@pytest.mark.parametrize(("weight", "temperature"), [(1.0, 1.0), (0.3, 4.0), (0.9, 0.5)])
def test_the_gradient_is_a_difference_of_softmaxes(weight: float, temperature: float) -> None:
    """Of student and label, and of student and teacher, both softened by the temperature."""
    teacher = network(1).eval()
    logits, images, labels = batch()
    criterion = Distillation(weight, temperature).criterion(teacher)
    assert criterion is not None
    criterion(logits, images, labels).backward()
    z = logits.detach()
    with torch.no_grad():
        p = torch.softmax(teacher(images).double() / temperature, 1)
    q = torch.softmax(z / temperature, 1)
    hard = torch.softmax(z, 1) - functional.one_hot(labels, CLASSES)
    expected = ((1 - weight) * hard + weight * temperature * (q - p)) / len(labels)
    torch.testing.assert_close(logits.grad, expected, atol=1e-6, rtol=1e-5)


def test_the_loss_of_a_student_that_equals_its_teacher_is_that_of_the_labels() -> None:
    """The divergence of a distribution from itself is 0."""
    teacher = network(1).eval()
    _, images, labels = batch()
    with torch.no_grad():
        logits = teacher(images)
    criterion = Distillation(0.7, 3.0).criterion(teacher, label_smoothing=0.1)
    assert criterion is not None
    plain = functional.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(criterion(logits, images, labels), 0.3 * plain)


def small_dataset() -> Dataset:
    """Random images of random classes."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(256, (40, 8, 8), generator=generator, dtype=torch.uint8).numpy()
    labels = [i % CLASSES for i in range(40)]
    held_out = (images[:10], labels[:10])
    return Dataset.from_arrays(images, labels, validation=held_out, test=held_out, name="random")


def trained(distillation: Distillation | None, teacher: Network) -> Network:
    """A student after two epochs; None trains without a criterion."""
    student, config = network(2), TrainingConfig(epochs=2, batch_size=10)
    criterion = None if distillation is None else distillation.criterion(teacher)
    train(student, small_dataset(), config, torch.Generator().manual_seed(0), criterion=criterion)
    return student


def equal(first: Network, second: Network) -> bool:
    """Whether all weights and statistics are the same."""
    other = second.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in first.state_dict().items())


def test_without_weight_it_is_plain_cross_entropy() -> None:
    """Bit for bit the training without a criterion; with weight it is another one."""
    teacher = network(1)
    plain = trained(None, teacher)
    assert equal(plain, trained(Distillation(0.0), teacher))
    assert not equal(plain, trained(Distillation(0.5), teacher))


def test_the_teacher_is_unchanged_and_not_watched() -> None:
    """No weight or running mean of it moves, and what becomes of it later does not matter."""
    teacher = network(1)
    before = teacher.copy()
    first = trained(Distillation(0.5), teacher)
    assert equal(teacher, before)
    assert teacher.training
    assert all(p.requires_grad and p.grad is None for p in teacher.parameters())
    logits, images, labels = batch()
    criterion = Distillation(0.5).criterion(teacher)
    assert criterion is not None
    loss = criterion(logits, images, labels)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.zero_()
    assert criterion(logits, images, labels) == loss
    assert equal(first, trained(Distillation(0.5), before))


@pytest.mark.parametrize("changes", [{"weight": -0.1}, {"weight": 1.1}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(changes: dict[str, float]) -> None:
    """The message says which range is meant."""
    with pytest.raises(StudyError, match=r"weight in \[0, 1\] and temperature above 0"):
        replace(Distillation(), **changes)
