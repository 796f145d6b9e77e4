"""Of one model: its graph, memory plan, layers, certificates, as values that a page shows."""

from collections.abc import Sequence
from dataclasses import replace

from ...candidate import Evaluation, History
from ...deploy.certificate import Certificate, readable_certificates
from ...errors import StudyError
from ...graph import Add, Concat, Dense, Graph, Operator, WeightedOperator
from ...memory import KernelLibrary, MemoryPlan, all_plans, plan_memory
from ...quantized import QuantizedModel
from ...record import EXPORTS, StudyRecord
from ...target import MODEL_FIGURES
from ..front import figure_of
from ..lineage import lineage
from .contents import CertificateView, LayerRow, ModelDetail, OperatorNode, PlanView, Sizes

RUNTIME = KernelLibrary.RUNTIME


def load_model(record: StudyRecord, candidate_id: int) -> QuantizedModel | None:
    """The model of a candidate; None where its file is missing."""
    try:
        return record.load_model(candidate_id)
    except StudyError:
        return None


def model_sizes(evaluation: Evaluation, model: QuantizedModel | None) -> dict[str, Sizes]:
    """What a model needs under each kernel library; under the runtime, what was recorded."""
    arena, flash = (int(figure_of(evaluation, name)) for name in ("arena_bytes", "flash_bytes"))
    if model is None:
        return {RUNTIME.value: Sizes(arena, flash)}
    plans = {kernels.value: _sizes(plan) for kernels, plan in all_plans(model).items()}
    measured = replace(plans[RUNTIME.value], arena_bytes=arena, flash_bytes=flash)
    return {**plans, RUNTIME.value: measured}


def _sizes(plan: MemoryPlan) -> Sizes:
    largest = {}
    for figure, part in MODEL_FIGURES.values():
        layer = max(plan.layers, key=part)
        largest[figure] = (layer.name, part(layer))
    peak = plan.peak
    return Sizes(plan.arena_bytes, plan.flash_bytes, peak.operator, peak.text, largest)


def model_detail(
    record: StudyRecord,
    history: History,
    evaluation: Evaluation,
    model: QuantizedModel | None,
    unpruned: Graph,
) -> ModelDetail:
    """All that a page shows of one model.

    Args:
        record: The study.
        history: Its candidates.
        evaluation: The model's.
        model: None where its file is missing.
        unpruned: The graph of its architecture.
    """
    number = evaluation.candidate.id
    folder = record.folder / EXPORTS / str(number)
    certificates = readable_certificates(folder)
    plan = None if model is None else plan_memory(model)
    return ModelDetail(
        input=(unpruned.input.name, unpruned.input.shape),
        operators=() if model is None else operator_nodes(model.graph),
        plan=None if plan is None else _plan_view(plan, evaluation),
        layers=() if plan is None else layer_rows(plan_memory(unpruned), plan),
        curve=tuple(float(f"{error:.6g}") for error in evaluation.curve),
        lineage=lineage(history, number),
        export=f"{EXPORTS}/{number}" if folder.is_dir() else "",
        certificates=certificate_views(tuple(certificates.values())),
    )


def operator_nodes(graph: Graph) -> tuple[OperatorNode, ...]:
    """The operators of a graph with their shapes and costs."""
    return tuple(
        OperatorNode(
            name=op.name,
            kind=op.kind,
            inputs=op.inputs,
            output=op.output,
            shape=graph.shape(op.output),
            window=_window(op),
            activation=getattr(op, "activation", "none"),
            parameters=_parameters(graph, op),
            macs=graph.operator_macs(op),
        )
        for op in graph.operators
    )


def _parameters(graph: Graph, operator: Operator) -> int:
    if isinstance(operator, WeightedOperator):
        return graph.weight_count(operator) + graph.bias_count(operator)
    return 0


def _window(operator: Operator) -> str:
    if isinstance(operator, Add | Concat | Dense):
        return ""
    text = "×".join(map(str, operator.kernel)) + ", stride " + _short(operator.stride)
    return f"{text}, padding {_short(operator.padding)}" if any(operator.padding) else text


def _short(numbers: Sequence[int]) -> str:
    """One number where all are equal.

    >>> _short((2, 2)), _short((0, 1, 0, 1))
    ('2', '0 1 0 1')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else " ".join(map(str, numbers))


def _plan_view(plan: MemoryPlan, evaluation: Evaluation) -> PlanView:
    recorded = {name: int(figure_of(evaluation, name)) for name in ("arena_bytes", "flash_bytes")}
    planned = {name: getattr(plan, name) for name in recorded}
    notes = [
        f"{name} {recorded[name]:,} when it was measured, {planned[name]:,} by this version's plan"
        for name in recorded
        if planned[name] != recorded[name]
    ]
    return PlanView(
        arena_bytes=plan.arena_bytes,
        optimal=plan.optimal,
        operators=tuple(layer.name for layer in plan.layers),
        step_bytes=plan.step_bytes,
        allocations=plan.allocations,
        peak_operator=plan.peak.operator,
        peak_buffers=plan.peak.text,
        note="; ".join(notes),
    )


def layer_rows(before: MemoryPlan, after: MemoryPlan) -> tuple[LayerRow, ...]:
    """The layers with weights, before pruning and after it.

    Args:
        before: Plan of the unpruned graph.
        after: Plan of the model.
    """
    left = {layer.name: layer for layer in after.layers}
    rows = []
    for layer in before.layers:
        if not layer.weights:
            continue
        now = left.get(layer.name)
        rows.append(
            LayerRow(
                name=layer.name,
                unpruned_weights=layer.weights,
                weights=0 if now is None else now.weights,
                nonzeros=0 if now is None else now.nonzeros,
                encoding="" if now is None else (now.encoding or "").replace("_", " "),
                weight_bytes=0 if now is None else now.weight_bytes,
                other_bytes=0 if now is None else now.flash_bytes - now.weight_bytes,
                unpruned_bytes=layer.flash_bytes,
            )
        )
    return tuple(rows)


def certificate_views(certificates: Sequence[Certificate]) -> tuple[CertificateView, ...]:
    """Verdicts of an export, by core."""
    return tuple(
        CertificateView(c.core, c.passed, c.summary, c.failures, c.figures) for c in certificates
    )
