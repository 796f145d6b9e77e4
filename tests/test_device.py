"""Training on another device than the processor: asked for by name, refused where there is none."""

from pathlib import Path

import pytest
import study_fakes as fakes
import torch

from objectives import DEFAULT_OBJECTIVES
from pruning import PRUNERS
from sparse_search.candidate import Candidate, Evaluation, PruningStep
from sparse_search.errors import StudyError
from sparse_search.evaluation import EvaluationConfig, Evaluator
from sparse_search.network import Network
from sparse_search.study import Study
from sparse_search.training import Augmentation, TrainingConfig, check_device, train
from sparse_search.workers import open_workers

PRUNED = Candidate(0, fakes.architecture(5), (PruningStep("magnitude", 0.5),))


def config() -> EvaluationConfig:
    """Very short trainings."""
    return EvaluationConfig(TrainingConfig(epochs=2, batch_size=8), fine_tuning_epochs=1)


def test_a_gpu_that_is_not_there_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a folder is made; a cluster's machines are asked later, for they are others."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudyError, match=r"expected a GPU .* use device='cpu'"):
        real_study(tmp_path / "run", device="cuda")
    with pytest.raises(StudyError, match="expected a GPU"):
        real_study(tmp_path / "run", config=config().on("cuda"))
    assert not (tmp_path / "run").exists()
    study = real_study(tmp_path / "run", device="cuda", workers="ray")
    assert study.record.settings["config"]["training"]["device"] == "cuda"
    check_device("cpu")
    with pytest.raises(StudyError, match="among cpu, cuda, got 'tpu'"):
        check_device("tpu")


def real_study(folder: Path, **changes: object) -> Study:
    """A study that trains."""
    arguments = {"evaluate": None, "pruners": PRUNERS, "objectives": DEFAULT_OBJECTIVES} | changes
    return fakes.study(folder, strategy="random", **arguments)


def test_every_training_of_a_candidate_is_on_the_device() -> None:
    """Dense training and fine-tuning, brief and final."""
    chosen = config().on("cuda")
    final = Candidate(1, fakes.architecture(5), parent=0, effort="final")
    for candidate in (PRUNED, final):
        assert chosen.dense(candidate).device == "cuda"
        assert chosen.fine_tuning(candidate).device == "cuda"


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_all_tensors_of_a_step_are_on_the_device(dropout: float) -> None:
    """The meta device refuses tensors of the processor as a GPU would; it has no values, though."""
    network = Network(fakes.SPACE.build(PRUNED.architecture), torch.Generator().manual_seed(0))
    for _, unit in network:
        unit.mask = torch.ones_like(unit.weight)
    training = TrainingConfig(
        epochs=1,
        batch_size=8,
        dropout=dropout,
        clip_norm=1.0,
        augmentation=Augmentation(1, True),
        device="meta",  # type: ignore[arg-type]
    )
    devices: list[str] = []
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta"):
        train(
            network,
            fakes.tiny_dataset(),
            training,
            torch.Generator().manual_seed(0),
            after_step=lambda step, total: devices.append(
                network.unit("output").weight.device.type
            ),
        )
    assert devices == ["meta", "meta"]


def test_candidates_share_one_gpu(tmp_path: Path) -> None:
    """Two processes train on it; networks and models come back to the processor."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    dataset = fakes.tiny_dataset().without_test()
    on_gpu = config().on("cuda")
    evaluate = Evaluator(dataset, fakes.SPACE, PRUNERS, DEFAULT_OBJECTIVES, on_gpu, tmp_path, 0)
    with open_workers(2, evaluate) as workers:
        for number in range(2):
            workers.submit(Candidate(number, PRUNED.architecture, PRUNED.pruning))
        outcomes = workers.wait()
        while len(outcomes) < 2:
            outcomes += workers.wait()
    assert all(isinstance(outcome, Evaluation) for outcome in outcomes)
    network = Network.load(str(tmp_path / "weights" / "0.safetensors"))
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
