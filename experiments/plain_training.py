"""What ``train`` is compared with: the loops that a PyTorch user would write.

``PlainImages`` with a DataLoader is the loop of most tutorials; ``train_on_tensors`` keeps all
images in memory as floats and augments a batch at once. Modules, AdamW and OneCycleLR are torch's
own, with their defaults. Convolutions pad on both sides alike, which saves the plain network the
operators that TFLite's padding needs.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from sparse_search.dataset import Split
from sparse_search.graph import AvgPool2d, Conv2d, Dense, DepthwiseConv2d, Graph, MaxPool2d
from sparse_search.training import TrainingConfig

_Epoch: TypeAlias = Callable[[], Iterable[tuple[Tensor, Tensor]]]


def plain_network(graph: Graph) -> nn.Sequential:
    """The same layers as modules; for graphs without a second path."""
    modules: list[nn.Module] = []
    flat = False
    for operator in graph.operators:
        channels = graph.shape(operator.inputs[0])[2]
        outputs = graph.shape(operator.output)[2]
        if isinstance(operator, MaxPool2d):
            modules.append(nn.MaxPool2d(operator.kernel, operator.stride))
            continue
        if isinstance(operator, AvgPool2d):
            modules.append(nn.AvgPool2d(operator.kernel, operator.stride))
            continue
        if isinstance(operator, Dense):
            if not flat:
                modules.append(nn.Flatten())
            flat = True
            inputs = graph.tensor(operator.inputs[0]).size
            modules.append(nn.Linear(inputs, outputs, bias=not operator.batch_norm))
        elif isinstance(operator, Conv2d | DepthwiseConv2d):
            groups = channels if isinstance(operator, DepthwiseConv2d) else 1
            same = any(operator.padding)
            padding = tuple(side // 2 if same else 0 for side in operator.kernel)
            modules.append(
                nn.Conv2d(
                    channels,
                    outputs,
                    operator.kernel,
                    operator.stride,
                    (padding[0], padding[1]),
                    groups=groups,
                    bias=not operator.batch_norm,
                )
            )
        else:
            raise ValueError(f"expected layers in sequence, got {operator.name}")
        if operator.batch_norm:
            modules.append(nn.BatchNorm1d(outputs) if flat else nn.BatchNorm2d(outputs))
        if operator.activation == "relu":
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Images of one channel, each made a float tensor and shifted when it is asked for."""

    def __init__(self, split: Split, shift_px: int) -> None:
        self.images, self.labels, self.shift_px = split.images.copy(), split.labels, shift_px

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 255
        height, width = image.shape[1:]
        padded = functional.pad(image, (self.shift_px,) * 4)
        row, column = torch.randint(0, 2 * self.shift_px + 1, (2,)).tolist()
        return padded[:, row : row + height, column : column + width], int(self.labels[index])


def train_plain(network: nn.Module, split: Split, config: TrainingConfig) -> None:
    """Dataset, DataLoader, and the loop of a tutorial."""
    data = PlainImages(split, config.augmentation.shift_px)
    loader = DataLoader(data, batch_size=config.batch_size, shuffle=True)
    _loop(network, lambda: loader, len(loader), config)


def train_on_tensors(network: nn.Module, split: Split, config: TrainingConfig) -> None:
    """All images as one tensor, a batch augmented at once."""
    shift = config.augmentation.shift_px
    images = torch.tensor(split.images).permute(0, 3, 1, 2).float() / 255
    height, width = images.shape[2:]
    padded = functional.pad(images, (shift,) * 4)
    labels = torch.tensor(split.labels)

    def batches() -> Iterable[tuple[Tensor, Tensor]]:
        for indices in torch.split(torch.randperm(len(labels)), config.batch_size):
            start = torch.randint(0, 2 * shift + 1, (2, len(indices), 1))
            rows = (start[0] + torch.arange(height))[:, :, None]
            columns = (start[1] + torch.arange(width))[:, None, :]
            chosen = padded[indices[:, None, None], :, rows, columns]
            yield chosen.permute(0, 3, 1, 2), labels[indices]

    _loop(network, batches, -(-len(labels) // config.batch_size), config)


def _loop(network: nn.Module, epoch: _Epoch, steps: int, config: TrainingConfig) -> None:
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.epochs * steps
    )
    network.train()
    for _ in range(config.epochs):
        running_loss = 0.0
        for images, labels in epoch():
            optimizer.zero_grad()
            loss = criterion(network(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            running_loss += loss.item()
