"""The two networks on which pruning methods publish their figures, as graphs for 28x28 images.

    LeNet-300-100    fully connected, 784-300-100-10: 266,200 weights
    LeNet-5-Caffe    5x5 convolutions of 20 and 50 filters without padding, each followed by 2x2 max
                     pooling, then 800-500-10 fully connected: 430,500 weights

Neither has batch norm. Activations are ReLU, as in the code that was published with
arXiv:1701.05369.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Operator, Tensor

_IMAGE = Tensor("input", (28, 28, 1))


def _dense(name: str, source: str, *, last: bool = False) -> Dense:
    return Dense(name, (source,), name, "none" if last else "relu")


def lenet_300_100() -> Graph:
    """Two hidden fully connected layers.

    >>> sum(lenet_300_100().weight_count(op) for op in lenet_300_100().weighted)
    266200
    """
    units = {"fc1": 300, "fc2": 100, "fc3": 10}
    return Graph(
        (_IMAGE, *(Tensor(name, (1, 1, count)) for name, count in units.items())),
        (_dense("fc1", "input"), _dense("fc2", "fc1"), _dense("fc3", "fc2", last=True)),
    )


def lenet_5_caffe() -> Graph:
    """Two convolutions and two fully connected layers.

    >>> sum(lenet_5_caffe().weight_count(op) for op in lenet_5_caffe().weighted)
    430500
    """

    def convolution(name: str, source: str) -> Operator:
        return Conv2d(name, (source,), name, (5, 5), (1, 1), (0, 0, 0, 0), "relu", batch_norm=False)

    def pooling(name: str, source: str) -> Operator:
        return MaxPool2d(name, (source,), name, (2, 2), (2, 2))

    return Graph(
        (
            _IMAGE,
            Tensor("conv1", (24, 24, 20)),
            Tensor("pool1", (12, 12, 20)),
            Tensor("conv2", (8, 8, 50)),
            Tensor("pool2", (4, 4, 50)),
            Tensor("fc1", (1, 1, 500)),
            Tensor("fc2", (1, 1, 10)),
        ),
        (
            convolution("conv1", "input"),
            pooling("pool1", "conv1"),
            convolution("conv2", "pool1"),
            pooling("pool2", "conv2"),
            _dense("fc1", "pool2"),
            _dense("fc2", "fc1", last=True),
        ),
    )


LENETS: Mapping[str, Callable[[], Graph]] = MappingProxyType(
    {"lenet-300-100": lenet_300_100, "lenet-5-caffe": lenet_5_caffe}
)
