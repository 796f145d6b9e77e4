"""Boards by name, with the figures of their microcontrollers' data sheets."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from .errors import TargetError
from .target import Core, Target


def _board(name: str, mcu: str, core: Core, ram_kb: int, flash_kb: int, note: str = "") -> Target:
    """A board with the default reserves, an assumption for bare-metal applications.

    Up to 16 KB of RAM an eighth of it, and at least 512 B, goes to stack and variables, above it
    4 KB; of the flash a quarter, at most 32 KB, goes to code. Boards that run a radio stack or an
    operating system need more: use ``dataclasses.replace``.
    """
    ram, flash = ram_kb * 1024, flash_kb * 1024
    reserved_ram = max(512, ram // 8) if ram <= 16 * 1024 else 4096
    return Target(name, mcu, core, ram, flash, reserved_ram, min(flash // 4, 32 * 1024), note)


BOARDS: Mapping[str, Target] = MappingProxyType(
    {
        board.name: board
        for board in (
            _board("arduino-uno", "ATmega328P", Core.AVR, 2, 32),
            _board("nucleo-l053r8", "STM32L053R8", Core.M0PLUS, 8, 64),
            _board("microbit-v1", "nRF51822", Core.M0, 16, 256),
            _board("blue-pill", "STM32F103C8", Core.M3, 20, 64),
            _board("arduino-zero", "ATSAMD21G18", Core.M0PLUS, 32, 256),
            _board("microbit-v2", "nRF52833", Core.M4, 128, 512),
            _board("nucleo-f446re", "STM32F446RE", Core.M4, 128, 512),
            _board("nano-33-ble-sense", "nRF52840", Core.M4, 256, 1024),
            _board("pico", "RP2040", Core.M0PLUS, 264, 2048, "flash: external QSPI"),
            _board(
                "disco-f746ng",
                "STM32F746NG",
                Core.M7,
                320,
                1024,
                "RAM: DTCM, SRAM1, SRAM2 in a row",
            ),
            _board(
                "nucleo-f767zi",
                "STM32F767ZI",
                Core.M7,
                512,
                2048,
                "RAM: DTCM, SRAM1, SRAM2 in a row",
            ),
            _board(
                "nucleo-h743zi", "STM32H743ZI", Core.M7, 512, 2048, "RAM: AXI SRAM, of 1 MB in all"
            ),
            _board("nrf5340-dk", "nRF5340", Core.M33, 512, 1024, "application core"),
            _board(
                "corstone-300", "SSE-300 (MPS3 AN547)", Core.M55, 512, 512, "RAM: DTCM; code: ITCM"
            ),
            _board("pico-2", "RP2350", Core.M33, 520, 4096, "flash: external QSPI"),
        )
    }
)
"""Boards by name, smallest RAM first."""


def find_board(name: str) -> Target:
    """The board called ``name``, or with that microcontroller; case and spaces do not matter.

    >>> find_board("Arduino Uno").mcu, find_board("STM32F446RE").name
    ('ATmega328P', 'nucleo-f446re')

    Raises:
        TargetError: There is none; names close ones.
    """
    wanted = re.sub(r"[\s_]+", "-", name.strip().lower())
    names = {board.name: board for board in BOARDS.values()}
    names |= {board.mcu.lower(): board for board in BOARDS.values()}
    if wanted in names:
        return names[wanted]
    close = dict.fromkeys(names[n].name for n in get_close_matches(wanted, names, cutoff=0.5))
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(BOARDS)}"
    raise TargetError(f"expected the name of a board, got {name!r}; {hint}")
