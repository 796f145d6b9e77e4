"""Parameter records of the runtime's kernels, to call them from Python."""

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


class PooledConvGeometry(ctypes.Structure):
    """ss_pooled_conv_geometry."""

    _fields_ = [("conv", ConvGeometry), ("p_h", ctypes.c_uint8), ("p_w", ctypes.c_uint8)]


class FullyConnectedGeometry(ctypes.Structure):
    """ss_fully_connected_geometry."""

    _fields_ = [
        ("in_count", ctypes.c_uint32),
        ("out_count", ctypes.c_uint16),
        *((n, ctypes.c_int8) for n in ("zp_in", "zp_out", "act_min", "act_max")),
        ("reserved", ctypes.c_uint8 * 2),
    ]


class PoolGeometry(ctypes.Structure):
    """ss_pool_geometry."""

    _fields_ = [
        *((n, ctypes.c_uint16) for n in ("in_h", "in_w", "channels", "out_h", "out_w")),
        *((n, ctypes.c_uint8) for n in ("k_h", "k_w", "s_h", "s_w", "pad_top", "pad_left")),
    ]


class AddGeometry(ctypes.Structure):
    """ss_add_geometry."""

    _fields_ = [
        ("count", ctypes.c_uint32),
        *((n, ctypes.c_int32) for n in ("multiplier1", "multiplier2", "multiplier_out")),
        *((n, ctypes.c_int8) for n in ("shift1", "shift2", "shift_out")),
        *((n, ctypes.c_int8) for n in ("zp1", "zp2", "zp_out", "act_min", "act_max")),
    ]


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """The address of a contiguous array."""
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)
