"""What a page shows, as values: the contract between Python and the scripts of the page.

Every class here becomes a JSON object with the same names. Errors are fractions and rounded to six
significant digits, as in ``front.csv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...candidate import Effort
from ...deploy.certificate import Figure
from ...memory import Allocation
from ..health import HealthCard
from ..lineage import Step
from ..volume import VolumeCurve


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a model needs under one kernel library, and what decides it.

    Attributes:
        arena_bytes: Working memory.
        flash_bytes: Constants.
        peak_operator: The operator that needs most working memory; empty if the model is missing.
        peak_buffers: What exists then, in words.
        largest: (operator, its part) of the operator with most of each size of a model, by figure.
    """

    arena_bytes: int
    flash_bytes: int
    peak_operator: str = ""
    peak_buffers: str = ""
    largest: Mapping[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One measured model.

    Attributes:
        id: Of the candidate.
        effort: Shape of its marker.
        figures: Objectives and metrics by name; errors as fractions, None where not measured.
        sizes: By kernel library.
        network: Its architecture before pruning, in one line.
        pruning: In words; empty if it is not pruned.
    """

    id: int
    effort: Effort
    figures: dict[str, float | int | None]
    sizes: dict[str, Sizes]
    network: str
    pruning: str


@dataclass(frozen=True, slots=True)
class OperatorNode:
    """An operator of a graph.

    Attributes:
        name: Of the operator.
        kind: Such as "conv2d".
        inputs: Names of the tensors that it reads.
        output: Name of the tensor that it writes.
        shape: Of the output, (height, width, channels).
        window: Kernel, stride and padding in words; empty if it has none.
        activation: "relu" or "none".
        parameters: Weights, zeros included, and biases.
        macs: Of one inference.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, int, int]
    window: str
    activation: str
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer with weights, before pruning and after.

    Attributes:
        name: Of the operator.
        unpruned_weights: Number of weights of the architecture.
        weights: Number that is left when whole channels are gone; 0 where the layer is gone.
        nonzeros: Of these.
        encoding: How the weights are stored; empty where the layer is gone.
        weight_bytes: Flash of the weights.
        other_bytes: Flash of biases, multipliers, shifts and records.
        unpruned_bytes: Flash of the layer without pruning.
    """

    name: str
    unpruned_weights: int
    weights: int
    nonzeros: int
    encoding: str
    weight_bytes: int
    other_bytes: int
    unpruned_bytes: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """The arena over time under the runtime's kernels.

    Attributes:
        arena_bytes: Its size.
        optimal: Whether no smaller arena is possible in this order of operators.
        operators: Names in execution order: the axis of time.
        step_bytes: What each operator needs at least.
        allocations: Every buffer, the input first.
        peak_operator: The operator that needs most.
        peak_buffers: What exists then, in words.
        note: Where this plan differs from what the study recorded, in words; else empty.
    """

    arena_bytes: int
    optimal: bool
    operators: tuple[str, ...]
    step_bytes: tuple[int, ...]
    allocations: tuple[Allocation, ...]
    peak_operator: str
    peak_buffers: str
    note: str


@dataclass(frozen=True, slots=True)
class CertificateView:
    """What a verification found."""

    core: str
    passed: bool
    summary: str
    failures: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """All that is shown of one model.

    Attributes:
        input: (name, shape) of the network's input.
        operators: In execution order; empty if the model's file is missing.
        plan: None if the model's file is missing.
        layers: Those with weights, in execution order.
        curve: Validation error of the float network after each epoch.
        lineage: From the first ancestor to the model.
        export: Folder of its C below the run's; empty if it was not exported.
        certificates: Of the export.
    """

    input: tuple[str, tuple[int, int, int]]
    operators: tuple[OperatorNode, ...]
    plan: PlanView | None
    layers: tuple[LayerRow, ...]
    curve: tuple[float, ...]
    lineage: tuple[Step, ...]
    export: str
    certificates: tuple[CertificateView, ...]


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A board, and what of it is left for a model.

    Attributes:
        name: Of the board.
        mcu: Its microcontroller.
        core: Name of its core.
        cmsis_kernels: The variant of CMSIS-NN for it; empty without one.
        emulated: The core of ``verify`` whose certificates speak for it; empty without one.
        arena_bytes: What is left for the arena.
        flash_bytes: What is left for the model.
        note: On its memory.
    """

    name: str
    mcu: str
    core: str
    cmsis_kernels: str
    emulated: str
    arena_bytes: int
    flash_bytes: int
    note: str


@dataclass(frozen=True, slots=True)
class Volume:
    """The hypervolume against evaluations, and the reference point by objective."""

    reference: dict[str, float]
    curve: VolumeCurve


@dataclass(frozen=True, slots=True)
class RunContents:
    """The page of a run.

    Attributes:
        name: Of the data set.
        folder: Name of the run's folder.
        base: Address of that folder relative to the page, with a slash at the end; empty if the
            page lies in it.
        facts: (name, text) of settings worth knowing.
        objectives: What was minimised, the error first.
        limits: By figure.
        summary: What was found, in one sentence.
        advice: What to do where something is missing; one sentence each.
        outcomes: What became of the candidates, in lines.
        columns: (figure, heading) of the table of the front.
        models: Everything that was measured, by id.
        details: By id; of the front, its ancestors and the most accurate models.
        volume: Over the evaluations.
        health: Cards.
        pruning: What pruning the models further has gained, in one sentence; empty if not done.
        boards: That can be chosen.
    """

    name: str
    folder: str
    base: str
    facts: tuple[tuple[str, str], ...]
    objectives: tuple[str, ...]
    limits: dict[str, int]
    summary: str
    advice: tuple[str, ...]
    outcomes: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    models: tuple[ModelRow, ...]
    details: dict[int, ModelDetail]
    volume: Volume
    health: tuple[HealthCard, ...]
    pruning: str
    boards: tuple[BoardRow, ...]
