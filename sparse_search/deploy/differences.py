"""Where C and reference first differ: reading a trace and comparing it layer by layer."""

import struct

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..quantized import QuantizedModel
from .certificate import Difference


def read_trace(data: bytes, classes: int, operators: int) -> list[NDArray[np.int8]]:
    """What each operator wrote, flat, and last the output.

    Args:
        data: For each operator index and byte count (uint32, least significant byte first), then
            its output; at the end the model's output. Of a convolution that pools its output at
            once there are 0 bytes, and the pooling has them.
        classes: Bytes of the model's output.
        operators: How many the model has.

    Raises:
        VerificationError: The trace is malformed.
    """
    tensors: list[NDArray[np.int8]] = []
    position, end = 0, len(data) - classes
    while position + 8 <= end:
        index, size = struct.unpack_from("<II", data, position)
        position += 8 + size
        if index != len(tensors) or position > end:
            break
        tensors.append(np.frombuffer(data, np.int8, size, position - size))
    if position != end or len(tensors) != operators:
        raise VerificationError(
            "expected a trace of every operator in order, got something else; the export is "
            "not as it was written, export the model again"
        )
    return [*tensors, np.frombuffer(data, np.int8, classes, end)]


def first_difference(
    model: QuantizedModel, trace: list[NDArray[np.int8]], image: NDArray[np.uint8], number: int
) -> Difference | None:
    """The first operator that differs on one image, then its first differing element.

    None where the trace shows no difference, because the outputs are not reproducible.

    Args:
        model: The reference.
        trace: Of the C code, as ``read_trace`` gives it.
        image: uint8 [H, W, C].
        number: Of the image, for the result.
    """
    operators = model.graph.operators
    expected = model.trace(image[None])
    names = [*(op.name for op in operators), "output"]
    wanted = [
        expected[name][0] for name in (*(op.output for op in operators), operators[-1].output)
    ]
    for index, (name, want, got) in enumerate(zip(names, wanted, trace, strict=True)):
        if got.size == 0:
            continue
        differs = np.flatnonzero(want.reshape(-1) != got) if want.size == got.size else [0]
        if len(differs):
            row, column, channel = np.unravel_index(int(differs[0]), want.shape)
            return Difference(
                image=number,
                operator=name,
                operator_index=index,
                element=(int(row), int(column), int(channel)),
                expected=int(want.reshape(-1)[differs[0]]),
                got=int(got[differs[0]]),
            )
    return None
