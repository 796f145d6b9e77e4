"""What machine code and stack the runtime takes on each core, from a table that was measured.

``code_table.json`` is written by ``python -m experiments.measure_code``; its figures hold for the
compiler and the flags that it names.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

TABLE_PATH: Final = Path(__file__).parent / "code_table.json"


@dataclass(frozen=True, slots=True)
class KernelCode:
    """One C file of the runtime, compiled.

    Attributes:
        code_bytes: Its machine code.
        frame_bytes: Stack frames of its functions.
        library: Members of the compiler's library that it needs.
    """

    code_bytes: int
    frame_bytes: int
    library: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoreCode:
    """Everything about one core.

    Attributes:
        compiler: What the compiler says about itself.
        flags: Of the runtime, beside the strict ones.
        kernels: By C file, without its ending.
        library: Bytes by member of the compiler's library.
        model_bytes: Machine code of a model without operators.
        call_bytes: More for each call of a kernel.
        argument_bytes: More for each argument of a call.
        stack_bytes: Stack of a call of the model beside the frames of the deepest kernel.
    """

    compiler: str
    flags: tuple[str, ...]
    kernels: Mapping[str, KernelCode]
    library: Mapping[str, int]
    model_bytes: float
    call_bytes: float
    argument_bytes: float
    stack_bytes: int

    def predict_code(self, calls: Iterable[tuple[str, int]]) -> int | None:
        """Machine code of a model with its runtime; None where a kernel was not measured.

        Args:
            calls: (kernel, number of arguments) of every call.
        """
        made = list(calls)
        used = {name for name, _ in made}
        if not used <= self.kernels.keys():
            return None
        members = {member for name in used for member in self.kernels[name].library}
        model = sum(self.call_bytes + self.argument_bytes * count for _, count in made)
        return round(
            sum(self.kernels[name].code_bytes for name in used)
            + sum(self.library[member] for member in members)
            + self.model_bytes
            + model
        )

    def predict_stack(self, calls: Iterable[tuple[str, int]]) -> int | None:
        """Stack of a call of the model; None where a kernel was not measured."""
        used = {name for name, _ in calls}
        if not used <= self.kernels.keys():
            return None
        frames = (self.kernels[name].frame_bytes for name in used)
        return self.stack_bytes + max(frames, default=0)


_ADAPTER: TypeAdapter[dict[str, CoreCode]] = TypeAdapter(dict[str, CoreCode])


@cache
def read_table(path: Path = TABLE_PATH) -> Mapping[str, CoreCode]:
    """The table by core; empty where there is none."""
    return _ADAPTER.validate_json(path.read_bytes()) if path.is_file() else {}


def write_table(table: Mapping[str, CoreCode], path: Path = TABLE_PATH) -> None:
    """Replaces the table; its JSON has one line for each kernel."""
    cores = []
    for name, values in _ADAPTER.dump_python(dict(table), mode="json").items():
        kernels = values.pop("kernels")
        rows = ",\n".join(f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in kernels.items())
        about = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in values.items())
        cores.append(f' {json.dumps(name)}: {{\n{about},\n  "kernels": {{\n{rows}\n  }}\n }}')
    path.write_text("{\n" + ",\n".join(cores) + "\n}\n", encoding="utf-8")
    read_table.cache_clear()
