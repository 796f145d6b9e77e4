"""Boards, sizes as people write them, and limits."""

from dataclasses import replace

import pytest

from sparse_search.boards import BOARDS, find_board
from sparse_search.errors import TargetError
from sparse_search.graph import Conv2d, Dense, Graph, Tensor
from sparse_search.memory import KernelLibrary, plan_memory
from sparse_search.target import Core, Limits, Target, parse_size

GRAPH = Graph(
    (Tensor("input", (28, 28, 1)), Tensor("conv1", (14, 14, 12)), Tensor("output", (1, 1, 10))),
    (
        Conv2d("conv1", ("input",), "conv1", (3, 3), (2, 2), (0, 1, 0, 1)),
        Dense("output", ("conv1",), "output"),
    ),
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2KB", 2048),
        ("2 kb", 2048),
        ("2KiB", 2048),
        ("2k", 2048),
        ("1.5KB", 1536),
        ("64B", 64),
        ("64", 64),
        (64, 64),
        ("1MB", 1048576),
        ("0.5MiB", 524288),
    ],
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    """Plain numbers, B, KB = KiB = 1024 B and MB = MiB, in any case."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KB", "2GB", "-1KB", "two", "1.3B", "0", 0, -5, "1e3", True])
def test_what_is_not_a_size_is_an_error(text: str | int) -> None:
    """The error quotes what was given."""
    with pytest.raises(TargetError, match="expected") as error:
        parse_size(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(
    ("name", "core", "ram_kb", "flash_kb"),
    [
        ("arduino-uno", Core.AVR, 2, 32),
        ("microbit-v1", Core.M0, 16, 256),
        ("microbit-v2", Core.M4, 128, 512),
        ("nano-33-ble-sense", Core.M4, 256, 1024),
        ("pico", Core.M0PLUS, 264, 2048),
        ("blue-pill", Core.M3, 20, 64),
        ("nucleo-f446re", Core.M4, 128, 512),
        ("disco-f746ng", Core.M7, 320, 1024),
        ("nucleo-l053r8", Core.M0PLUS, 8, 64),
        ("nrf5340-dk", Core.M33, 512, 1024),
    ],
)
def test_boards_have_their_data_sheet_figures(
    name: str, core: Core, ram_kb: int, flash_kb: int
) -> None:
    """Core, RAM and flash of well-known boards."""
    board = find_board(name)
    assert (board.core, board.ram_bytes, board.flash_bytes) == (
        core,
        ram_kb * 1024,
        flash_kb * 1024,
    )


def test_every_board_leaves_room_for_a_model() -> None:
    """Reserves are positive and leave most of RAM and flash; boards are listed by RAM."""
    for name, board in BOARDS.items():
        assert board.name == name
        assert board.ram_bytes * 0.7 <= board.arena_limit_bytes < board.ram_bytes
        assert board.flash_bytes * 0.7 <= board.model_limit_bytes < board.flash_bytes
    assert [b.ram_bytes for b in BOARDS.values()] == sorted(b.ram_bytes for b in BOARDS.values())


@pytest.mark.parametrize("name", ["Arduino Uno", "arduino_uno", " ARDUINO-UNO ", "atmega328p"])
def test_boards_are_found_by_any_spelling(name: str) -> None:
    """Case, spaces and underscores do not matter; the part number works too."""
    assert find_board(name) is BOARDS["arduino-uno"]


def test_an_unknown_board_suggests_close_ones() -> None:
    """A misspelt name gets suggestions, a strange one the whole list."""
    with pytest.raises(TargetError, match=r"got 'arduno-uno'; did you mean arduino-uno"):
        find_board("arduno-uno")
    with pytest.raises(TargetError, match=r"known are arduino-uno, .*corstone-300"):
        find_board("??")


def test_every_core_but_avr_has_a_variant_of_cmsis_nn() -> None:
    """M0, M0+ and M3 are scalar; M4, M7 and M33 have DSP; M55 and M85 have MVE."""
    assert {core: core.cmsis_kernels for core in Core} == {
        Core.AVR: None,
        Core.M0: KernelLibrary.CMSIS_SCALAR,
        Core.M0PLUS: KernelLibrary.CMSIS_SCALAR,
        Core.M3: KernelLibrary.CMSIS_SCALAR,
        Core.M4: KernelLibrary.CMSIS_DSP,
        Core.M7: KernelLibrary.CMSIS_DSP,
        Core.M33: KernelLibrary.CMSIS_DSP,
        Core.M55: KernelLibrary.CMSIS_MVE,
        Core.M85: KernelLibrary.CMSIS_MVE,
    }


def test_a_reserve_larger_than_the_memory_is_an_error() -> None:
    """A board that leaves nothing for a model cannot be made."""
    with pytest.raises(TargetError, match=r"x: expected reserved RAM in \[0, 2048\) B, got 2048"):
        Target("x", "y", Core.M0, 2048, 8192, 2048, 0)
    with pytest.raises(TargetError, match="reserved flash"):
        replace(BOARDS["arduino-uno"], reserved_flash_bytes=1 << 20)


def test_limits_come_from_a_board() -> None:
    """A board's limits are its memory less its reserves."""
    uno = BOARDS["arduino-uno"]
    limits = Limits.of_target(uno, "nonzeros")
    assert limits == Limits(uno.arena_limit_bytes, uno.model_limit_bytes, "nonzeros")
    assert (uno.arena_limit_bytes, uno.model_limit_bytes) == (1536, 24576)


def test_limits_that_are_kept_give_no_violation() -> None:
    """Equality is allowed, and None is no limit."""
    plan = plan_memory(GRAPH)
    assert Limits().check(plan) == []
    assert Limits(plan.arena_bytes, plan.flash_bytes).check(plan) == []


def test_violations_name_figures_and_causes() -> None:
    """Too much RAM names the tensors at the peak; a too large model its largest layers."""
    plan = plan_memory(GRAPH)
    assert Limits(2048, 2048).check(plan) == [
        "arena_bytes 2384 > 2048 "
        "(live at conv1: input 784 B + conv1 2,352 B, of which 752 B overlap)",
        "flash_bytes 23736 > 2048 (largest: output 23566 B, conv1 170 B)",
    ]


@pytest.mark.parametrize(
    ("definition", "figure", "size"),
    [
        ("flash", "flash_bytes", 23736),
        ("nonzeros", "nonzeros", 23650),
        ("int8-dense", "int8_dense_bytes", 23716),
    ],
)
def test_the_model_is_measured_by_the_chosen_definition(
    definition: str, figure: str, size: int
) -> None:
    """108 + 23520 weights; 12 and 10 channels of 3 B and a multiplier each; 34 B of records."""
    plan = plan_memory(GRAPH)
    limits = Limits(None, size - 1, definition)  # type: ignore[arg-type]
    assert limits.model_size_bytes(plan) == size == plan.to_dict()[figure]
    (violation,) = limits.check(plan)
    assert violation.startswith(f"{figure} {size} > {size - 1} (largest: output ")
    assert replace(limits, model_bytes=size).check(plan) == []


@pytest.mark.parametrize(
    ("definition", "figure", "size"),
    [
        ("arena", "arena_bytes", 2384),
        ("in+weights", "in_weights_bytes", 25882),
        ("in+out", "in_out_bytes", 3136),
        ("live-no-input", "live_no_input_bytes", 2362),
    ],
)
def test_memory_is_measured_by_the_chosen_definition(
    definition: str, figure: str, size: int
) -> None:
    """23,520 weights, 10 biases and 2,352 B read; 784 B read and 2,352 B written; 2,352 + 10 B."""
    plan = plan_memory(GRAPH)
    limits = Limits(size - 1, None, memory_definition=definition)  # type: ignore[arg-type]
    assert limits.by_figure == {figure: size - 1}
    assert limits.memory_bytes(plan) == size
    (violation,) = limits.check(plan)
    assert violation.startswith(f"{figure} {size} > {size - 1}")
    assert replace(limits, ram_bytes=size).check(plan) == []


def test_impossible_limits_are_errors() -> None:
    """Limits below one byte and unknown definitions are refused."""
    with pytest.raises(TargetError, match="expected ram_bytes of at least 1 or None, got 0"):
        Limits(ram_bytes=0)
    with pytest.raises(TargetError, match="expected a model definition among flash, nonzeros"):
        Limits(model_definition="floats")  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="expected a memory definition among arena, in"):
        Limits(memory_definition="stack")  # type: ignore[arg-type]
