"""The text of every generated file of an export, from kernel calls. Writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formats import Layout, Optimize
from ..memory import MemoryPlan
from ..quantized import QuantizedModel
from . import c_source
from .layout import EXAMPLES, SOURCE_FOLDER
from .lowering import KernelCall, Step
from .runtime_files import RUNTIME_DIR, files_for, inline_header
from .weighted_kernels import inline_name, paired

_COMPACT = """\
# This file has no loop over data, so it is compiled for size, as its code is predicted.
$(BUILD)/{prefix}.o: COMPACT := $(if $(BARE_METAL),-Os)"""

_ERRORS = """
#ifdef __AVR_HAVE_ELPM__
#define @UPPER@_ERROR_FLASH 4 /* a constant lies beyond 64 KB of flash, where it is not read */
#endif"""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What the generated files say.

    Attributes:
        model: What is computed.
        plan: Of this model.
        steps: Of this model, in execution order.
        prefix: Of every public name, lower case.
        class_names: One per output; empty if not known.
        golden_images: uint8 [n, H, W, C].
        golden_outputs: int8 [n, classes].
        generated_by: First line of every file: generator, version, model hash.
        optimize: "size" calls kernels that all operators of a kind share; "speed" inlines a kernel
            for each operator, with its geometry.
    """

    model: QuantizedModel
    plan: MemoryPlan
    steps: tuple[Step, ...]
    prefix: str
    class_names: tuple[str, ...]
    golden_images: NDArray[np.uint8]
    golden_outputs: NDArray[np.int8]
    generated_by: str
    optimize: Optimize

    @property
    def shared_kernels(self) -> list[str]:
        """The runtime functions that the model calls, sorted."""
        calls = [call for step in self.steps for call in step.calls]
        return sorted({self.shared(call) for call in calls if not self.inlined(call)})

    @property
    def headers(self) -> list[str]:
        """The headers of the runtime that the model includes, sorted."""
        inlined = {self.inlined(call) for step in self.steps for call in step.calls}
        shared = [f"{kernel}.h" for kernel in self.shared_kernels]
        return sorted([*shared, *(header for header in inlined if header)])

    def shared(self, call: KernelCall) -> str:
        """The runtime function for this call, where no kernel is inlined."""
        pairs = paired(call.kernel) if self.optimize == "speed" else None
        return pairs or call.kernel

    def inlined(self, call: KernelCall) -> str | None:
        """The header of the kernel that is inlined for this call; None where it is called."""
        return inline_header(call.kernel) if self.optimize == "speed" else None


def runtime_files(source: Source) -> tuple[str, ...]:
    """Names of the runtime files that the model needs, sorted."""
    return files_for(source.shared_kernels, source.headers)


def render(source: Source, layout: Layout = Layout.PLAIN) -> dict[str, str]:
    """Text by path; the runtime's own files are not among them."""
    values = template_values(source)
    stem = f"{SOURCE_FOLDER[layout]}{source.prefix}"
    templates = {
        f"{stem}.h": "model.h",
        f"{stem}.c": "model.c",
        f"{stem}_weights.h": "weights.h",
        **EXAMPLES[layout],
    }
    return {
        name: c_source.fill((RUNTIME_DIR / f"{template}.template").read_text(), values)
        for name, template in templates.items()
    }


def template_values(source: Source) -> dict[str, str]:
    """Text by placeholder of the templates."""
    model, plan, graph = source.model, source.plan, source.model.graph
    offsets = {a.name: a.offset_bytes for a in plan.allocations}
    height, width, channels = graph.input.shape
    sources = [f"{source.prefix}.c", *(n for n in runtime_files(source) if n.endswith(".c"))]
    input_, output = model.tensors[graph.input.name], model.tensors[graph.output.name]
    return {
        "GENERATED_BY": source.generated_by,
        "PREFIX": source.prefix,
        "UPPER": source.prefix.upper(),
        "HASH": model.hash(),
        "ARENA_BYTES": str(plan.arena_bytes),
        "ARENA_ALIGNMENT": f"{plan.alignment_bytes}u",
        "FLASH_BYTES": str(plan.flash_bytes),
        "INPUT_HEIGHT": str(height),
        "INPUT_WIDTH": str(width),
        "INPUT_CHANNELS": str(channels),
        "INPUT_BYTES": str(graph.input.size),
        "INPUT_SCALE": repr(input_.scale),
        "INPUT_ZERO_POINT": str(input_.zero_point),
        "INPUT_OFFSET": str(offsets[graph.input.name]),
        "OUTPUT_BYTES": str(graph.output.size),
        "OUTPUT_SCALE": repr(output.scale),
        "OUTPUT_ZERO_POINT": str(output.zero_point),
        "OUTPUT_OFFSET": str(offsets[graph.output.name]),
        "WEIGHTS": str(sum(layer.weights for layer in plan.layers)),
        "NONZERO_WEIGHTS": str(sum(layer.nonzeros for layer in plan.layers)),
        "ERRORS": c_source.fill(_ERRORS, {"UPPER": source.prefix.upper()}),
        "AFTER_ERROR": "nothing has been read or written.",
        "COMPACT": _COMPACT.format(prefix=source.prefix) if source.optimize == "size" else "",
        "CLASS_NAMES": _class_names(source),
        "KERNEL_INCLUDES": "\n".join(f'#include "{header}"' for header in source.headers),
        "TABLES": "\n\n".join(_constants(source.prefix, step) for step in source.steps),
        "FAR": " ||\n           ".join(
            f"SS_IS_FAR({name})" for step in source.steps for name in _names(source.prefix, step)
        ),
        "SPECIALISED": _all_specialised(source),
        "CALLS": "\n".join(
            _statements(source, index, step) for index, step in enumerate(source.steps)
        ),
        "GOLDEN_COUNT": str(len(source.golden_images)),
        "GOLDEN_IMAGES": c_source.rows(_rows(source.golden_images)),
        "GOLDEN_OUTPUTS": c_source.rows(_rows(source.golden_outputs)),
        "SOURCES": " \\\n".join(f"\t{name}" for name in sources),
        "CMAKE_SOURCES": "\n".join(f"    {name}" for name in sources),
    }


def _rows(values: NDArray[np.uint8] | NDArray[np.int8]) -> Sequence[Sequence[int]]:
    rows: list[list[int]] = values.reshape(len(values), -1).tolist()
    return rows


def _class_names(source: Source) -> str:
    """The names as an array that costs nothing unless the caller asks for it."""
    if not source.class_names:
        return ""
    upper = source.prefix.upper()
    literals = "\n".join(f"    {c_source.string_literal(name)}," for name in source.class_names)
    return (
        f"\n#ifdef {upper}_WITH_CLASS_NAMES\n"
        "/* The classes in the order of the outputs, in UTF-8. */\n"
        f"static const char *const {source.prefix}_class_names[{upper}_OUTPUT_BYTES] = {{\n"
        f"{literals}\n}};\n#endif\n"
    )


def _constants(prefix: str, step: Step) -> str:
    """Definitions of the records and the arrays of one operator."""
    stem = f"{prefix}_{step.identifier}"
    parts = [
        f"/* {c_source.comment(step.operator.name)}: {step.text}; {step.constant_bytes} bytes */"
    ]
    for call in step.calls:
        record, name = call.record, f"{stem}_{call.record_suffix}"
        parts.append(c_source.struct(record.c_type, name, record.values()))
        parts += [
            c_source.array(array.c_type, f"{stem}_{array.suffix}", array.values.tolist())
            for array in call.arrays
            if array.values.size and array.owner is None
        ]
    return "\n".join(parts)


def _names(prefix: str, step: Step) -> Iterator[str]:
    """Of the records and the arrays that one operator defines."""
    stem = f"{prefix}_{step.identifier}"
    for call in step.calls:
        yield f"{stem}_{call.record_suffix}"
        for array in call.arrays:
            if array.values.size and array.owner is None:
                yield f"{stem}_{array.suffix}"


def _all_specialised(source: Source) -> str:
    """The functions into which kernels are inlined; nothing where none is."""
    functions = "".join(_specialised(source, step) for step in source.steps)
    said = "/* Kernels that are specialised: the compiler resolves every shape. */"
    return f"\n{said}{functions}" if functions else ""


def _specialised(source: Source, step: Step) -> str:
    """The function of one operator into which its kernel is inlined; nothing where none is."""
    stem = f"{source.prefix}_{step.identifier}"
    call = next(iter(step.calls), None)
    if call is None or source.inlined(call) is None:
        return ""
    count = len(call.input_offsets)
    inputs = ["input"] if count == 1 else [f"input{number + 1}" for number in range(count)]
    parameters = [*(f"const int8_t *{name}" for name in inputs), "int8_t *output"]
    arguments = _arguments(source.prefix, step.identifier, call, inputs, "output")
    if call.arrays:
        # The last three arrays are those of the channels.
        form = "ss_narrow" if call.narrow else "ss_wide"
        channels = f"{form}({', '.join(arguments[-4:-1])})"
        factors = "SS_SMALL_FACTORS" if call.small_factors else "SS_ANY_FACTORS"
        arguments = [*arguments[:-4], channels, arguments[-1], factors]
    body = c_source.call(inline_name(call.kernel), arguments)
    opening = c_source.declaration(f"{stem}_run", parameters).removesuffix(";")
    return f"\nSS_NEVER_INLINE {opening}\n{{\n{body}\n}}\n"


def _statements(source: Source, index: int, step: Step) -> str:
    """The calls of one operator, with its trace."""
    name = c_source.comment(step.operator.name)
    calls = "\n".join(_call(source, step.identifier, call) for call in step.calls)
    said = f"    /* {index} {name}: {step.text} */"
    trace = f"    TRACE({index}, base + {step.output_offset}, {step.output_bytes});"
    return "\n".join(filter(None, (said, calls, trace)))


def _call(source: Source, identifier: str, call: KernelCall) -> str:
    """One call of the operator of that identifier as a statement."""
    inputs = [f"base + {offset}" for offset in call.input_offsets]
    output = f"base + {call.output_offset}"
    if source.inlined(call) is not None:
        return c_source.call(f"{source.prefix}_{identifier}_run", [*inputs, output])
    arguments = _arguments(source.prefix, identifier, call, inputs, output)
    return c_source.call(source.shared(call), arguments)


def _arguments(
    prefix: str, identifier: str, call: KernelCall, inputs: Sequence[str], output: str
) -> list[str]:
    """What a kernel is called with; constants are named after the operator that defines them."""
    constants = [
        f"{prefix}_{a.owner or identifier}_{a.suffix}" if a.values.size else "NULL"
        for a in call.arrays
    ]
    return [f"&{prefix}_{identifier}_{call.record_suffix}", *inputs, *constants, output]
