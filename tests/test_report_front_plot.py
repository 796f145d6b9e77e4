"""front.png shows every model once, labels the Pareto-optimal ones and draws the limits."""

import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from report_data import OBJECTIVES, evaluations

from sparse_search.candidate import Evaluation
from sparse_search.pareto import ParetoFront, meets
from sparse_search.report import draw_front, front_figure
from sparse_search.report.files import save_png, text_box
from sparse_search.target import Limits

LIMITS = Limits(2048, 2048)


def front_of(
    measured: Sequence[Evaluation],
    limits: Limits = LIMITS,
    objectives: tuple[str, ...] = OBJECTIVES,
) -> ParetoFront:
    """The front as a study reports it: of all models, searched and final."""
    return ParetoFront.of(measured, objectives, limits)


def draw(measured: Sequence[Evaluation], limits: Limits = LIMITS) -> Figure:
    """The picture of the front."""
    return front_figure(measured, front_of(measured, limits), limits, title="digits")


def labels(axes: Axes) -> list[Text]:
    """The texts that name candidates."""
    return [text for text in axes.texts if text.get_gid() == "candidate"]


def drawn_points(axes: Axes) -> list[tuple[float, float]]:
    """Every model in a panel."""
    found = [np.asarray(group.get_offsets()) for group in axes.collections]
    return sorted(tuple(point) for group in found for point in group.tolist())


def limit_lines(axes: Axes) -> list[float]:
    """Where vertical lines over the whole panel stand."""
    lines = [line for line in axes.lines if list(np.asarray(line.get_ydata())) == [0, 1]]
    return [float(np.asarray(line.get_xdata())[0]) for line in lines]


@pytest.mark.parametrize(("count", "finals"), [(0, 0), (1, 0), (24, 12), (200, 0)])
def test_picture_is_a_png_of_fixed_size(tmp_path: Path, count: int, finals: int) -> None:
    """Whatever was measured: nothing, one model, or two hundred."""
    measured = evaluations(count, finals)
    draw_front(measured, front_of(measured), LIMITS, tmp_path / "front.png", title="digits")
    with Image.open(tmp_path / "front.png") as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1650, 825))
    assert [path.name for path in tmp_path.iterdir()] == ["front.png"]


def test_every_model_is_drawn_once_in_each_panel() -> None:
    """At its figure and its error in percent, whether searched, final, dominated or too large."""
    measured = evaluations(24, 12)
    for axes, name in zip(draw(measured).axes, OBJECTIVES[1:], strict=True):
        expected = sorted((e.objectives[name], 100 * e.objectives["val_error"]) for e in measured)
        assert drawn_points(axes) == pytest.approx(np.array(expected))


def test_series_tell_searched_final_and_too_large_models_apart() -> None:
    """Each is a group of its own, with as many points as there are such models."""
    measured = evaluations(40, 14)
    optimal = front_of(measured).evaluations
    groups = {
        str(group.get_label()): len(np.asarray(group.get_offsets()))
        for group in draw(measured).axes[0].collections
    }

    def kind(evaluation: Evaluation) -> str:
        prefix = "final, " if evaluation.candidate.effort == "final" else ""
        if evaluation in optimal:
            return f"{prefix}Pareto-optimal, with id"
        return prefix + ("dominated" if meets(evaluation, LIMITS) else "over a limit")

    assert groups == dict(Counter(kind(e) for e in measured))
    assert {name.partition(", ")[0] for name in groups} >= {"final", "dominated", "over a limit"}


def test_models_that_were_pruned_further_are_told_apart() -> None:
    """By a marker of their own; the longer legend, in rows, stays inside the picture."""
    measured = evaluations(40, 14)
    measured[7:20] = [
        replace(e, candidate=replace(e.candidate, effort="pruned")) for e in measured[7:20]
    ]
    figure = draw(measured)
    groups = {str(g.get_label()): len(g.get_offsets()) for g in figure.axes[0].collections}
    found = sum(n for label, n in groups.items() if label.startswith("pruned further, "))
    assert found == sum(e.candidate.effort == "pruned" for e in measured) == 13
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert len(texts) == len(groups) + 2 > 6
    boxes = [Bbox.from_extents(*text_box(text)) for text in legend.get_texts()]
    width = figure.bbox.width
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 for box in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    labels_of_axes = [Bbox.from_extents(*text_box(axes.xaxis.label)) for axes in figure.axes]
    assert all(box.y1 <= axis.y0 for box in boxes for axis in labels_of_axes)


@pytest.mark.parametrize(("count", "finals"), [(24, 12), (60, 0)])
def test_pareto_models_are_labelled_and_no_label_hides_another(count: int, finals: int) -> None:
    """Each id once in each panel; the boxes of the texts do not overlap."""
    measured = evaluations(count, finals)
    figure = draw(measured)
    ids = sorted(str(e.candidate.id) for e in front_of(measured).evaluations)
    for axes in figure.axes:
        assert sorted(text.get_text() for text in labels(axes)) == ids
        boxes = [Bbox.from_extents(*text_box(text)) for text in labels(axes)]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        window = axes.get_window_extent()
        assert all(window.x0 <= b.x0 and b.x1 <= window.x1 for b in boxes)


def test_limits_are_drawn_where_they_are() -> None:
    """Flash on the left, arena on the right, with their values in words."""
    flash, arena = draw(evaluations(24), Limits(1500, 1000)).axes
    assert (limit_lines(flash), limit_lines(arena)) == ([1000.0], [1500.0])
    assert "limit 1,000 B" in [text.get_text() for text in flash.texts]
    assert "limit 1,500 B" in [text.get_text() for text in arena.texts]


def test_no_limit_draws_no_line() -> None:
    """And nothing is over it."""
    figure = draw(evaluations(24), Limits())
    assert [limit_lines(axes) for axes in figure.axes] == [[], []]


def test_far_limit_is_written_and_does_not_squash_the_models() -> None:
    """A limit of 1 MB is named at the edge; the axis ends near the largest model."""
    measured = evaluations(24)
    flash = draw(measured, Limits(1 << 20, 1 << 20)).axes[0]
    assert limit_lines(flash) == []
    assert "limit 1,048,576 B →" in [text.get_text() for text in flash.texts]
    assert flash.get_xlim()[1] < 2 * max(e.objectives["flash_bytes"] for e in measured)


def test_limit_of_a_figure_that_no_panel_shows_is_named() -> None:
    """A limit of nonzeros stands in the subtitle, since flash is drawn."""
    figure = draw(evaluations(24), Limits(2048, 700, "nonzeros"))
    assert any("also limited: nonzeros ≤ 700" in text.get_text() for text in figure.texts)
    assert limit_lines(figure.axes[0]) == []


def test_panels_show_the_objectives_of_the_study() -> None:
    """Other objectives, more than two of them; all panels have the same error axis."""
    names = ("val_error", "nonzeros", "arena_bytes", "macs")
    measured = [
        replace(e, objectives={n: {**e.metrics, **e.objectives}[n] for n in names})
        for e in evaluations(20)
    ]
    limits = Limits(2048, 700, "nonzeros")
    figure = front_figure(measured, front_of(measured, limits, names), limits, title="")
    assert all(name in a.get_xlabel() for name, a in zip(names[1:], figure.axes, strict=True))
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert limit_lines(figure.axes[0]) == [700.0]


def test_line_joins_the_best_models_up_to_each_size() -> None:
    """Those that no smaller or equal model beats in this panel: compared one by one."""
    measured = evaluations(60)
    points = [
        (e.objectives["flash_bytes"], 100 * e.objectives["val_error"])
        for e in front_of(measured).evaluations
    ]
    best = [p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)]
    steps = [x for x in draw(measured).axes[0].lines if x.get_drawstyle() == "steps-post"]
    assert len(steps) == 1
    assert np.asarray(steps[0].get_xydata()) == pytest.approx(np.array(sorted(set(best))))


def test_picture_is_the_same_again_and_leaves_pyplot_alone(tmp_path: Path) -> None:
    """Equal models give equal bytes; no global figure is made."""
    measured = evaluations(12)
    images = []
    for name in ("a.png", "b.png"):
        draw_front(measured, front_of(measured), LIMITS, tmp_path / name, title="digits")
        images.append(Image.open(io.BytesIO((tmp_path / name).read_bytes())).tobytes())
    assert images[0] == images[1]
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_title_is_taken_literally(tmp_path: Path) -> None:
    """The name of a data set may hold a dollar sign, which is no mathematics."""
    figure = front_figure([], front_of([]), Limits(), title="a$b$c_d")
    save_png(figure, tmp_path / "front.png")
    assert figure.texts[0].get_text() == "a$b$c_d"
    assert not figure.texts[0].get_parse_math()
