"""The options of each operator as tables; strides and kernels are (rows, columns)."""

import numpy as np

from ...graph import Activation
from .flatbuffer import Fields, Numbers, Scalar, Table
from .network import LiteShape, Options
from .schema import (
    ActivationFunctionType,
    AddOptions,
    BuiltinOptions,
    ConcatenationOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Padding,
    Pool2DOptions,
    ReshapeOptions,
)


def conv2d(padding: Padding, stride: tuple[int, int], activation: Activation) -> Options:
    """Of CONV_2D."""
    fields: Fields = {
        Conv2DOptions.PADDING: Scalar("int8", padding),
        Conv2DOptions.STRIDE_W: Scalar("int32", stride[1]),
        Conv2DOptions.STRIDE_H: Scalar("int32", stride[0]),
        Conv2DOptions.FUSED_ACTIVATION_FUNCTION: _fused(activation),
        Conv2DOptions.DILATION_W_FACTOR: Scalar("int32", 1),
        Conv2DOptions.DILATION_H_FACTOR: Scalar("int32", 1),
    }
    return BuiltinOptions.CONV_2D_OPTIONS, Table(fields)


def depthwise_conv2d(padding: Padding, stride: tuple[int, int], activation: Activation) -> Options:
    """Of DEPTHWISE_CONV_2D with multiplier 1."""
    fields: Fields = {
        DepthwiseConv2DOptions.PADDING: Scalar("int8", padding),
        DepthwiseConv2DOptions.STRIDE_W: Scalar("int32", stride[1]),
        DepthwiseConv2DOptions.STRIDE_H: Scalar("int32", stride[0]),
        DepthwiseConv2DOptions.DEPTH_MULTIPLIER: Scalar("int32", 1),
        DepthwiseConv2DOptions.FUSED_ACTIVATION_FUNCTION: _fused(activation),
        DepthwiseConv2DOptions.DILATION_W_FACTOR: Scalar("int32", 1),
        DepthwiseConv2DOptions.DILATION_H_FACTOR: Scalar("int32", 1),
    }
    return BuiltinOptions.DEPTHWISE_CONV_2D_OPTIONS, Table(fields)


def pool2d(padding: Padding, stride: tuple[int, int], kernel: tuple[int, int]) -> Options:
    """Of MAX_POOL_2D and AVERAGE_POOL_2D."""
    fields: Fields = {
        Pool2DOptions.PADDING: Scalar("int8", padding),
        Pool2DOptions.STRIDE_W: Scalar("int32", stride[1]),
        Pool2DOptions.STRIDE_H: Scalar("int32", stride[0]),
        Pool2DOptions.FILTER_WIDTH: Scalar("int32", kernel[1]),
        Pool2DOptions.FILTER_HEIGHT: Scalar("int32", kernel[0]),
        Pool2DOptions.FUSED_ACTIVATION_FUNCTION: _fused("none"),
    }
    return BuiltinOptions.POOL_2D_OPTIONS, Table(fields)


def fully_connected(activation: Activation) -> Options:
    """Of FULLY_CONNECTED."""
    fields: Fields = {FullyConnectedOptions.FUSED_ACTIVATION_FUNCTION: _fused(activation)}
    return BuiltinOptions.FULLY_CONNECTED_OPTIONS, Table(fields)


def add(activation: Activation) -> Options:
    """Of ADD."""
    fields: Fields = {AddOptions.FUSED_ACTIVATION_FUNCTION: _fused(activation)}
    return BuiltinOptions.ADD_OPTIONS, Table(fields)


def concatenation(axis: int) -> Options:
    """Of CONCATENATION."""
    fields: Fields = {
        ConcatenationOptions.AXIS: Scalar("int32", axis),
        ConcatenationOptions.FUSED_ACTIVATION_FUNCTION: _fused("none"),
    }
    return BuiltinOptions.CONCATENATION_OPTIONS, Table(fields)


def reshape(shape: LiteShape) -> Options:
    """Of RESHAPE."""
    fields: Fields = {ReshapeOptions.NEW_SHAPE: Numbers(np.array(shape, np.int32))}
    return BuiltinOptions.RESHAPE_OPTIONS, Table(fields)


PAD: Options = (BuiltinOptions.PAD_OPTIONS, Table({}))
PAD_V2: Options = (BuiltinOptions.PAD_V2_OPTIONS, Table({}))
QUANTIZE: Options = (BuiltinOptions.QUANTIZE_OPTIONS, Table({}))


def _fused(activation: Activation) -> Scalar:
    fused = ActivationFunctionType.RELU if activation == "relu" else ActivationFunctionType.NONE
    return Scalar("int8", fused)
