"""Parameter records of the runtime's kernels over weights, to call them from Python."""

import ctypes

import numpy as np
from numpy.typing import NDArray


class ConvGeometry(ctypes.Structure):
    """ss_conv_geometry."""

    _fields_ = [
        *((n, ctypes.c_uint16) for n in ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c")),
        *((n, ctypes.c_uint8) for n in ("k_h", "k_w", "s_h", "s_w", "pad_top", "pad_left")),
        *((n, ctypes.c_int8) for n in ("zp_in", "zp_out", "act_min", "act_max")),
    ]


class FullyConnectedGeometry(ctypes.Structure):
    """ss_fully_connected_geometry."""

    _fields_ = [
        ("in_count", ctypes.c_uint32),
        ("out_count", ctypes.c_uint16),
        *((n, ctypes.c_int8) for n in ("zp_in", "zp_out", "act_min", "act_max")),
        ("reserved", ctypes.c_uint8 * 2),
    ]


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """The address of a contiguous array."""
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)
