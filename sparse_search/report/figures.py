"""The figures of a run's page as pictures: of the run, and of each model of its front."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from ..errors import StudyError
from ..memory import plan_memory
from ..pareto import ParetoFront
from ..record import StudyRecord
from .front import figure_of
from .front_plot import front_figure
from .graph_plot import graph_figure
from .layers_plot import layers_figure
from .lineage import lineage
from .origin_plot import origin_figure
from .plan_plot import plan_figure
from .sizes_plot import sizes_figure
from .volume import reference_point, volume_curve
from .volume_plot import volume_figure


def run_figures(record: StudyRecord) -> Iterator[tuple[str, Figure]]:
    """Names of files without suffix, and the figures, one after another.

    Args:
        record: Of a study, finished or not. Of a model whose file is missing, only the learning
            curve and the lineage are drawn.
    """
    history, limits = record.history(), record.limits
    objectives, name = record.objectives, record.settings["dataset"]["name"]
    evaluations = history.evaluations
    # Of what was read: a study that runs meanwhile may already have more.
    front = ParetoFront.of(evaluations, objectives, limits)
    yield "front", front_figure(evaluations, front, limits, title=f"{name}: Pareto front")
    yield "sizes", sizes_figure(evaluations, front, limits, title=f"{name}: flash against arena")
    reference = reference_point([(evaluations, limits)], objectives, record.space.class_count)
    curve = volume_curve(evaluations, objectives, limits, reference)
    yield "hypervolume", volume_figure([(name, curve)], reference, title=f"{name}: hypervolume")
    measured = {e.candidate.id: e for e in evaluations}
    for member in front.evaluations:
        number = member.candidate.id
        error = f"{figure_of(member, objectives[0]):.2%} validation error"
        title = f"{name}: candidate {number}, {error}"
        steps = lineage(history, number)
        figure = origin_figure(member, steps, measured, error=objectives[0], title=title)
        yield f"origin-{number}", figure
        try:
            model = record.load_model(number)
        except StudyError:
            continue
        plan = plan_memory(model)
        unpruned = plan_memory(record.space.build(member.candidate.architecture))
        yield f"graph-{number}", graph_figure(model.graph, title=title)
        yield f"plan-{number}", plan_figure(plan)
        yield f"layers-{number}", layers_figure(unpruned, plan, title=title)
