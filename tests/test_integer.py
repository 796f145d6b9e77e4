"""Integer operators against CMSIS-NN's recorded outputs, exact rationals and plain loops."""

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_search.errors import QuantizationError
from sparse_search.graph import window_count
from sparse_search.integer import (
    AddParameters,
    ConcatInput,
    Requantization,
    TensorQuantization,
    add,
    average_pool2d,
    concat,
    conv2d,
    dense,
    depthwise_conv2d,
    max_pool2d,
    quantize_multiplier,
    requantize,
    rescale,
)
from sparse_search.integer.linear import exact_dtype

GOLDEN = Path(__file__).parent / "golden" / "cmsis_nn_golden.npz"
# Classes are ranked by their logits, so no graph holds a softmax.
WITHOUT_OPERATOR = {"softmax_01", "softmax_02"}


def golden_arrays() -> dict[str, NDArray]:
    """Every array of the golden file."""
    with np.load(GOLDEN, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


ARRAYS = golden_arrays()
CASES = [str(case) for case in ARRAYS["case_ids"] if case not in WITHOUT_OPERATOR]


def field(case: str, name: str) -> NDArray:
    """One array of a golden case."""
    return ARRAYS[f"{case}__{name}"]


def padding_before(case: str, kernel, stride, pad, dilation=(1, 1)) -> tuple[int, int, int, int]:
    """CMSIS-NN states top and left only; bottom and right follow from the output size."""
    result = []
    for axis in range(2):
        size, count = field(case, "input").shape[1 + axis], field(case, "output").shape[1 + axis]
        span = (kernel[axis] - 1) * dilation[axis] + 1
        result += [int(pad[axis]), max(0, (count - 1) * stride[axis] + span - size - pad[axis])]
    return tuple(result)


def run_weighted(case: str) -> NDArray[np.int8]:
    """A conv, dw or fc case."""
    weights, params = field(case, "weights"), field(case, "params").tolist()
    channels = weights.shape[3] if case.startswith("dw") else len(weights)
    bias = field(case, "bias") if field(case, "bias").size else np.zeros(channels, np.int32)
    stage = Requantization(field(case, "mult"), field(case, "shift"), *params[1:4])
    arguments = (field(case, "input"), weights, bias, stage)
    if case.startswith("fc"):
        return dense(*arguments, input_zero_point=-params[0])
    stride, pad, dilation, groups = params[4:6], params[6:8], params[8:10], params[11]
    padding = padding_before(case, weights.shape[1:3], stride, pad, dilation)
    options = {"input_zero_point": -params[0], "stride": stride, "padding": padding}
    if case.startswith("dw"):
        return depthwise_conv2d(*arguments, **options)
    return conv2d(*arguments, **options, dilation=dilation, groups=groups)


def run_pool(case: str) -> NDArray[np.int8]:
    """A maxpool or avgpool case."""
    params = field(case, "params").tolist()
    kernel, stride = params[0:2], params[2:4]
    pool = max_pool2d if case.startswith("max") else average_pool2d
    padding = padding_before(case, kernel, stride, params[4:6])
    return pool(
        field(case, "input"),
        kernel=kernel,
        stride=stride,
        padding=padding,
        minimum=params[6],
        maximum=params[7],
    )


def add_parameters(case: str) -> AddParameters:
    """The parameters that CMSIS-NN was given."""
    off1, mult1, shift1, off2, mult2, shift2, _, off, mult, shift, low, high = field(
        case, "params"
    ).tolist()
    return AddParameters(-off1, mult1, shift1, -off2, mult2, shift2, off, mult, shift, low, high)


@pytest.mark.parametrize("case", CASES)
def test_operator_reproduces_cmsis_nn(case: str) -> None:
    """Every recorded layer comes out byte for byte."""
    if case.startswith("add"):
        parameters = add_parameters(case)
        found = add(field(case, "input1"), field(case, "input2"), parameters)
    elif "pool" in case:
        found = run_pool(case)
    else:
        found = run_weighted(case)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, field(case, "output"))


def test_every_golden_case_is_run_or_named() -> None:
    """A case that is neither run nor excluded by name would be a silent gap."""
    assert len(CASES) == 25
    assert set(CASES) | WITHOUT_OPERATOR == set(ARRAYS["case_ids"].tolist())


@pytest.mark.parametrize("case", [c for c in CASES if c.startswith("add")])
def test_add_parameters_follow_from_scales(case: str) -> None:
    """The multipliers derived from the scales are those that CMSIS-NN was given."""
    expected = add_parameters(case)
    zero_points = (expected.zero_point1, expected.zero_point2, expected.zero_point_out)
    derived = AddParameters.from_scales(
        tuple(field(case, "scales").tolist()), zero_points, expected.minimum, expected.maximum
    )
    assert derived == expected


def test_requantize_reproduces_cmsis_nn() -> None:
    """All recorded samples of arm_nn_requantize, with left and right shifts."""
    values, multipliers = ARRAYS["requant_val"], ARRAYS["requant_mult"]
    found = rescale(values, multipliers, ARRAYS["requant_shift"])
    np.testing.assert_array_equal(found, ARRAYS["requant_out"])


def exact_rescale(value: int, multiplier: int, shift: int) -> int:
    """The two rounding steps in rational arithmetic."""
    left, right = max(shift, 0), max(-shift, 0)
    product = Fraction(value * 2**left * multiplier, 2**31)
    once = floor(product + Fraction(1, 2))
    scaled = Fraction(abs(once), 2**right)
    twice = floor(scaled + Fraction(1, 2))
    return -twice if once < 0 else twice


@given(st.data())
def test_rescale_is_exact_double_rounding(data: st.DataObject) -> None:
    """Equals rational arithmetic over all of int32, also on exact halves."""
    shift = data.draw(st.integers(-31, 30))
    bound = (2**31 - 1) >> max(shift, 0)
    halves = st.sampled_from([0, 1, -1, 3, -3]).map(lambda k: k << max(-shift - 1, 0))
    value = data.draw(st.integers(-bound, bound) | halves.filter(lambda v: abs(v) <= bound))
    multiplier = data.draw(st.integers(2**30, 2**31 - 1) | st.just(2**30))
    found = rescale(np.array([[value]], np.int32), np.array([multiplier]), np.array([shift]))
    assert found.item() == exact_rescale(value, multiplier, shift)


def test_requantize_adds_the_zero_point_before_it_clamps() -> None:
    """The clamp is in output units and holds at both ends."""
    values = np.array([-1000, -4, 0, 4, 1000])
    found = requantize(values, 2**30, 0, zero_point=10, minimum=9, maximum=100)
    assert found.tolist() == [9, 9, 10, 12, 100]


@given(st.floats(2.0**-31, 2.0**29))
def test_quantize_multiplier_represents_the_factor(factor: float) -> None:
    """The multiplier is normalised, and the factor is met to 31 bits."""
    multiplier, shift = quantize_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    represented = Fraction(multiplier) * Fraction(2) ** (shift - 31)
    assert abs(represented / Fraction(factor) - 1) <= Fraction(1, 2**31)


def test_quantize_multiplier_carries_into_the_shift() -> None:
    """A fraction that rounds up to 2^31 becomes 2^30 and one more shift."""
    assert quantize_multiplier(1 - 2.0**-40) == (2**30, 1)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf, 2.0**-33, 2.0**31])
def test_quantize_multiplier_refuses_what_32_bits_cannot_hold(factor: float) -> None:
    """No multiplier is returned that the C code would shift out of range."""
    with pytest.raises(QuantizationError, match="rescaling factor"):
        quantize_multiplier(factor)


def test_add_refuses_scales_that_are_too_far_apart() -> None:
    """The sum would not fit in an int32 after the last left shift."""
    with pytest.raises(QuantizationError, match="larger one"):
        AddParameters.from_scales((1.0, 1.0, 2.0**-23), (0, 0, 0))


LEVELS = np.arange(-128, 128, dtype=np.int8)
QUANTIZATIONS = st.builds(TensorQuantization, st.floats(2.0**-40, 2.0**20), st.integers(-128, 127))


@given(QUANTIZATIONS, st.floats(2.0**-8, 2.0**60), st.integers(-128, 127))
def test_concat_brings_every_level_to_the_output_scale(
    source: TensorQuantization, ratio: float, zero_point: int
) -> None:
    """All 256 levels: exact double rounding, and within 3/4 of a step of the real number."""
    output = TensorQuantization(source.scale * ratio, zero_point)
    p = ConcatInput.from_quantizations(source, output)
    found = concat([LEVELS[None, None, None]], [p]).reshape(-1)
    for level, value in zip(LEVELS.tolist(), found.tolist(), strict=True):
        centred = level - source.zero_point
        scaled = exact_rescale(centred, p.multiplier, p.shift) + zero_point
        assert value == min(max(scaled, -128), 127)
        real = centred / ratio + zero_point
        assert abs(value - min(max(real, -128), 127)) <= 0.75 + 1e-6


@given(QUANTIZATIONS)
def test_concat_copies_an_input_of_the_output_scale(source: TensorQuantization) -> None:
    """Every level stays what it is."""
    p = ConcatInput.from_quantizations(source, source)
    np.testing.assert_array_equal(concat([LEVELS[None, None, None]], [p]).reshape(-1), LEVELS)


def test_concat_flattens_each_input_and_keeps_images_apart() -> None:
    """Inputs of 1x2x2 and 2x1x1 for two images, the second input shifted by one."""
    first = np.arange(8, dtype=np.int8).reshape(2, 1, 2, 2)
    second = np.array([[[[10]], [[20]]], [[[30]], [[40]]]], np.int8)
    unit = TensorQuantization(1.0, 0)
    shifted = ConcatInput.from_quantizations(unit, TensorQuantization(1.0, 1))
    found = concat([first, second], [ConcatInput.from_quantizations(unit, unit), shifted])
    assert found.reshape(2, 6).tolist() == [[0, 1, 2, 3, 11, 21], [4, 5, 6, 7, 31, 41]]
    assert found.shape == (2, 1, 1, 6)


def test_concat_refuses_an_output_scale_that_is_too_fine() -> None:
    """A difference of 255 times 2^24 would not fit in an int32."""
    fine = TensorQuantization(2.0**-24, 0)
    with pytest.raises(QuantizationError, match="larger one"):
        ConcatInput.from_quantizations(TensorQuantization(1.0, 0), fine)
    assert ConcatInput.from_quantizations(TensorQuantization(0.49, 0), fine).shift == 23


@pytest.mark.parametrize("side", [7, 28])
def test_pooling_over_a_whole_map(side: int) -> None:
    """One maximum and one mean for each channel."""
    inputs = np.random.default_rng(side).integers(-128, 128, (3, side, side, 4)).astype(np.int8)
    options = {"kernel": (side, side), "stride": (side, side)}
    maxima, means = max_pool2d(inputs, **options), average_pool2d(inputs, **options)
    np.testing.assert_array_equal(maxima[:, 0, 0], inputs.max(axis=(1, 2)))
    exact = inputs.mean(axis=(1, 2))
    np.testing.assert_array_equal(means[:, 0, 0], np.trunc(exact + np.copysign(0.5, exact)))


@pytest.mark.parametrize(("count", "dtype"), [(517, np.float32), (519, np.float64)])
def test_sums_use_float32_only_where_it_is_exact(count: int, dtype: type) -> None:
    """255 * 127 * 518 < 2^24 < 255 * 127 * 519."""
    weights = np.full((2, count), 127, np.int8)
    assert exact_dtype(weights, 0) is dtype


def test_dense_is_exact_beyond_float32() -> None:
    """An odd sum above 2^24, where float32 has even numbers only."""
    weights = np.full((1, 601), 127, np.int8)
    inputs = np.full((1, 601), 127, np.int8)
    accumulator = 601 * 127 * 255
    bias = np.array([7 - accumulator], np.int32)
    stage = Requantization(np.array([2**30]), np.array([1]), 0)
    assert dense(inputs, weights, bias, stage, input_zero_point=-128).item() == 7


def loop_window(inputs, kernel, stride, padding):
    """Yields (n, y, x, taps), taps being (i, j, row, column) inside the input."""
    n, height, width, _ = inputs.shape
    rows = window_count(height, kernel[0], stride[0], padding[:2])
    columns = window_count(width, kernel[1], stride[1], padding[2:])
    for image in range(n):
        for y in range(rows):
            for x in range(columns):
                taps = []
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        row = y * stride[0] + i - padding[0]
                        column = x * stride[1] + j - padding[2]
                        if 0 <= row < height and 0 <= column < width:
                            taps.append((i, j, row, column))
                yield image, y, x, taps


@st.composite
def windows(draw: st.DrawFn):
    """(inputs, kernel, stride, padding, generator) of a tiny layer."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width, channels, batch = (draw(st.integers(1, n)) for n in (5, 5, 3, 2))
    inputs = generator.integers(-128, 128, (batch, height, width, channels)).astype(np.int8)
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = []
    for axis in range(2):
        before, after = (draw(st.integers(0, kernel[axis] - 1)) for _ in range(2))
        missing = kernel[axis] - inputs.shape[1 + axis] - before
        padding += [before, max(after, missing)]
    return inputs, kernel, stride, tuple(padding), generator


@given(windows(), st.integers(-128, 127), st.booleans())
def test_convolution_equals_plain_loops(layer, zero_point: int, depthwise: bool) -> None:
    """Any kernel, stride and padding; padding contributes the zero point, that is nothing."""
    inputs, kernel, stride, padding, generator = layer
    channels = inputs.shape[3]
    out_channels = channels if depthwise else 2
    shape = (1, *kernel, channels) if depthwise else (out_channels, *kernel, channels)
    weights = generator.integers(-127, 128, shape).astype(np.int8)
    bias = generator.integers(-(2**20), 2**20, out_channels).astype(np.int32)
    multiplier = generator.integers(2**30, 2**31, out_channels).astype(np.int32)
    shift = generator.integers(-12, -5, out_channels).astype(np.int32)
    stage = Requantization(multiplier, shift, 3, -100, 90)
    convolve = depthwise_conv2d if depthwise else conv2d
    found = convolve(
        inputs, weights, bias, stage, input_zero_point=zero_point, stride=stride, padding=padding
    )
    for n, y, x, taps in loop_window(inputs, kernel, stride, padding):
        for c in range(out_channels):
            total = int(bias[c])
            for i, j, row, column in taps:
                for k in [c] if depthwise else range(channels):
                    weight = weights[0, i, j, c] if depthwise else weights[c, i, j, k]
                    total += int(weight) * (int(inputs[n, row, column, k]) - zero_point)
            scaled = exact_rescale(total, int(multiplier[c]), int(shift[c])) + 3
            assert found[n, y, x, c] == min(max(scaled, -100), 90)


@given(windows())
def test_pooling_equals_plain_loops(layer) -> None:
    """Padding is left out of the maximum and of the mean; means round halves away from zero."""
    inputs, kernel, stride, padding, _ = layer
    options = {"kernel": kernel, "stride": stride, "padding": padding}
    maxima = max_pool2d(inputs, **options, minimum=-90, maximum=100)
    means = average_pool2d(inputs, **options)
    for n, y, x, taps in loop_window(inputs, kernel, stride, padding):
        for c in range(inputs.shape[3]):
            values = [int(inputs[n, row, column, c]) for _, _, row, column in taps]
            assert maxima[n, y, x, c] == min(max(*values, -128, -90), 100)
            mean = Fraction(abs(sum(values)), len(values))
            rounded = floor(mean + Fraction(1, 2))
            assert means[n, y, x, c] == (-rounded if sum(values) < 0 else rounded)


def test_average_of_padding_alone_is_refused() -> None:
    """There is no mean of nothing."""
    with pytest.raises(QuantizationError, match="padding smaller"):
        average_pool2d(
            np.zeros((1, 2, 2, 1), np.int8), kernel=(1, 1), stride=(1, 1), padding=(1,) * 4
        )
