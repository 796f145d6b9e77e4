"""Runs a firmware under an emulator and reads what its harness says."""

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from .cores import INSTRUCTION_NS, EmulatedCore
from .firmware import DOES_NOT_FIT, Firmware

_TIMEOUT_S: Final = 600
_BEGIN: Final = struct.Struct("<3I")
_REPORT: Final = struct.Struct("<6I")
_QEMU: Final = (
    *("qemu-system-arm", "-display", "none", "-monitor", "none", "-serial", "none"),
    *("-semihosting-config", "enable=on,target=native", "-icount", "shift=8"),
)
# Line by line, so that a crash is seen at once.
_SIMAVR: Final = ("stdbuf", "-oL", "simavr", "-f", "16000000")
_CRASH: Final = b"avr_gdb_init listening"
_COLOUR: Final = re.compile(rb"\x1b\[[0-9;]*m")
_HEXADECIMAL: Final = re.compile(rb"^([0-9a-f]+)\.?$", re.MULTILINE)
_FAULT: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the harness found on some images.

    Attributes:
        outputs: int8 [2, n, classes]; the second time, memory held the complement of what it
            held the first time.
        wrong_codes: Calls that returned something else than documented.
        refused_writes: Bytes that a refused call has written.
        high_water_bytes: From the arena's start to the last byte that was written.
        written_below: Bytes before the arena that were written.
        stack_bytes: The deepest stack of a call.
        count: The most instructions or cycles of an inference; None where the counter was too
            narrow.
    """

    outputs: NDArray[np.int8]
    wrong_codes: int
    refused_writes: int
    high_water_bytes: int
    written_below: int
    stack_bytes: int
    count: int | None


def merge(parts: Sequence[Observation]) -> Observation:
    """What observations of different images say together."""
    counts = [part.count for part in parts]
    return Observation(
        outputs=np.concatenate([part.outputs for part in parts], axis=1),
        wrong_codes=sum(part.wrong_codes for part in parts),
        refused_writes=max(part.refused_writes for part in parts),
        high_water_bytes=max(part.high_water_bytes for part in parts),
        written_below=max(part.written_below for part in parts),
        stack_bytes=max(part.stack_bytes for part in parts),
        count=None if None in counts else max(count for count in counts if count is not None),
    )


def observe(
    firmware: Firmware, images: NDArray[np.uint8], classes: int, folder: Path
) -> Observation:
    """Runs every image twice.

    Args:
        firmware: Built with these images.
        images: uint8 [n, H, W, C].
        classes: Bytes of one output.
        folder: For the files that the emulator reads and writes.

    Raises:
        VerificationError: The program does not end as it should, says something else, or its stack
            takes all the memory that there is.
    """
    data = run_firmware(firmware, images, folder)
    run_bytes = classes + _REPORT.size
    if len(data) != _BEGIN.size + 2 * len(images) * run_bytes:
        raise VerificationError(
            f"expected results of {len(images)} images from {firmware.core.title}, got "
            f"{len(data)} bytes; the export is not as it was written, export the model again"
        )
    refusals, refused_writes, idle = _BEGIN.unpack_from(data)
    runs = np.frombuffer(data, np.uint8, offset=_BEGIN.size).reshape(len(images), 2, run_bytes)
    reports = np.ascontiguousarray(runs[..., classes:]).view("<u4").astype(np.int64)
    code, high_water, below, stack, watched, ticks = np.moveaxis(reports, -1, 0)
    if (stack >= watched).any():
        raise VerificationError(
            f"{DOES_NOT_FIT} {firmware.core.title}, got an arena that leaves "
            f"{int(watched.min())} bytes, which the stack of a call takes all of; make the model "
            "smaller"
        )
    return Observation(
        outputs=np.moveaxis(runs[..., :classes].view(np.int8), 1, 0),
        wrong_codes=refusals + int(np.sum(code != 0)),
        refused_writes=refused_writes,
        high_water_bytes=int(high_water.max()),
        written_below=int(below.max()),
        stack_bytes=int(stack.max()),
        count=count_of(firmware.core, ticks, idle),
    )


def run_firmware(firmware: Firmware, images: NDArray[np.uint8], folder: Path) -> bytes:
    """Everything that a firmware writes.

    Raises:
        VerificationError: It does not end, or ends with a fault.
    """
    core = firmware.core
    if core.emulator == "simavr":
        said = _run_simavr(firmware, folder)
        return _serial(core, said)
    (folder / "images").write_bytes((images ^ np.uint8(128)).tobytes())
    results = folder / "results"
    results.unlink(missing_ok=True)
    command = [*_QEMU, "-M", core.machine, "-kernel", str(firmware.program)]
    try:
        result = subprocess.run(
            command, capture_output=True, cwd=folder, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _no_end(core) from None
    if result.returncode != 0:
        how = "a fault of the core" if result.returncode == _FAULT else "a failure"
        said = (result.stderr + result.stdout).strip()[-2000:]
        raise VerificationError(
            f"expected the model to run to its end on {core.title}, got {how} (exit code "
            f"{result.returncode}): {said.decode(errors='replace') or 'it said nothing'}"
        )
    return results.read_bytes()


def _no_end(core: EmulatedCore) -> VerificationError:
    return VerificationError(
        f"expected the model to end on {core.title} within {_TIMEOUT_S} s, got no end; ask for "
        "fewer images, or, if one does not end either, make the model smaller"
    )


def _run_simavr(firmware: Firmware, folder: Path) -> bytes:
    """What simavr says. After a crash of the program it waits for a debugger: it is ended then."""
    core = firmware.core
    command = [*_SIMAVR, "-m", core.machine, str(firmware.program)]
    said: list[bytes] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
    ) as process:
        timer = Timer(_TIMEOUT_S, process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if _CRASH in line:
                process.kill()
        late = not timer.is_alive()
        timer.cancel()
    if late:
        raise _no_end(core)
    if any(_CRASH in line for line in said):
        raise VerificationError(
            f"{DOES_NOT_FIT} {core.title}, got a crash: its stack has overwritten the arena, or "
            "the arena its stack; make the model smaller"
        )
    return b"".join(said)


def _serial(core: EmulatedCore, said: bytes) -> bytes:
    """The bytes that came as hexadecimal lines; the last line is the exit code, one digit."""
    lines = _HEXADECIMAL.findall(_COLOUR.sub(b"", said).replace(b"\r", b""))
    if not lines or lines[-1] != b"0":
        text = said.decode(errors="replace").strip()[-1000:]
        raise VerificationError(
            f"expected the model to run to its end on {core.title}, got none: {text}"
        )
    return bytes.fromhex(b"".join(lines[:-1]).decode())


def count_of(core: EmulatedCore, ticks: NDArray[np.int64], idle: int) -> int | None:
    """The most instructions or cycles of an inference; None where the counter was too narrow.

    A counter of cycles has counted the first run modulo 2^16, the second in 1024s.

    Args:
        core: Whose counter it is.
        ticks: Of it, [images, 2].
        idle: Of it where nothing is counted.
    """
    if core.tick_ns:
        return round(float(ticks.max() - idle) * core.tick_ns / INSTRUCTION_NS)
    low, high = ticks[:, 0] % 65536, ticks[:, 1]
    if (high >= 65536).any():
        return None
    cycles = low + 65536 * np.rint((high * 1024 + 512 - low) / 65536).astype(np.int64)
    return int(cycles.max()) - idle
