"""The page's figures as pictures: which there are, and that they show what they should."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from report_runs import empty_run, made_run

from sparse_search.evaluation import model_path
from sparse_search.record import StudyRecord
from sparse_search.report import run_figures, save_figure
from sparse_search.target import Limits

LIMITS = Limits(4096, 4096)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> StudyRecord:
    """A finished run."""
    return made_run(tmp_path_factory.mktemp("run"), limits=LIMITS)


@pytest.fixture(scope="module")
def figures(record: StudyRecord) -> dict[str, Figure]:
    """By name."""
    return dict(run_figures(record))


def all_texts(figure: Figure) -> str:
    """Every text of a figure, in lines."""
    axes_texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return "\n".join([*axes_texts, *(text.get_text() for text in figure.texts)])


def test_there_is_a_picture_for_each_figure_of_the_page(
    record: StudyRecord, figures: dict[str, Figure]
) -> None:
    """Three of the run, four of each model of the front."""
    front = [e.candidate.id for e in record.front().evaluations]
    kinds = ("origin", "graph", "plan", "layers")
    expected = {"front", "sizes", "hypervolume"} | {f"{k}-{n}" for k in kinds for n in front}
    assert set(figures) == expected


def test_sizes_shows_every_model_at_its_arena_and_flash(
    record: StudyRecord, figures: dict[str, Figure]
) -> None:
    """Once each; both limits are drawn."""
    (axes,) = figures["sizes"].axes
    found = [place for group in axes.collections for place in np.asarray(group.get_offsets())]
    expected = [
        (e.objectives["arena_bytes"], e.objectives["flash_bytes"])
        for e in record.history().evaluations
    ]
    assert sorted(map(tuple, found)) == sorted(expected)
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert ([4096.0, 4096.0], [0.0, 1.0]) in lines
    assert ([0.0, 1.0], [4096.0, 4096.0]) in lines


def test_a_graph_names_every_operator_with_its_shape(
    record: StudyRecord, figures: dict[str, Figure]
) -> None:
    """And draws an edge for each tensor that an operator reads."""
    for evaluation in record.front().evaluations:
        graph = record.load_model(evaluation.candidate.id).graph
        figure = figures[f"graph-{evaluation.candidate.id}"]
        lines = all_texts(figure).splitlines()
        for op in graph.operators:
            assert op.name in lines
            assert "×".join(map(str, graph.shape(op.output))) in lines
        arrows = [text for text in figure.axes[0].texts if hasattr(text, "arrow_patch")]
        assert len(arrows) == sum(len(op.inputs) for op in graph.operators)


def test_an_origin_has_the_curve_and_every_ancestor(
    record: StudyRecord, figures: dict[str, Figure]
) -> None:
    """The line has a point for each epoch; the texts name each step."""
    evaluation = record.front().evaluations[0]
    figure = figures[f"origin-{evaluation.candidate.id}"]
    line = figure.axes[0].lines[0]
    assert list(np.asarray(line.get_ydata()) / 100) == pytest.approx(evaluation.curve)
    texts = all_texts(figure)
    assert f"{evaluation.candidate.parent}: " in texts
    assert "trained longer" in texts


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_figures_are_written_in_both_formats(
    figures: dict[str, Figure], tmp_path: Path, suffix: str
) -> None:
    """PNG that Pillow reads, SVG that begins as one."""
    save_figure(figures["sizes"], tmp_path / f"sizes.{suffix}")
    if suffix == "png":
        with Image.open(tmp_path / "sizes.png") as image:
            assert image.size == (1050, 900)
    else:
        assert "<svg " in (tmp_path / "sizes.svg").read_text()[:1000]


def test_another_format_is_refused(figures: dict[str, Figure], tmp_path: Path) -> None:
    """By name."""
    with pytest.raises(ValueError, match="expected a file of png or svg, got"):
        save_figure(figures["sizes"], tmp_path / "sizes.bmp")


def test_a_run_without_models_has_its_three_figures(tmp_path: Path) -> None:
    """They say that there is nothing yet."""
    record = StudyRecord.open(empty_run(tmp_path, limits=LIMITS).folder)
    found = dict(run_figures(record))
    assert set(found) == {"front", "sizes", "hypervolume"}
    for name, figure in found.items():
        save_figure(figure, tmp_path / f"{name}.png")


def test_a_missing_model_leaves_out_what_needs_it(tmp_path: Path) -> None:
    """Its curve and lineage are still drawn."""
    record = made_run(tmp_path, count=5)
    number = record.front().evaluations[0].candidate.id
    model_path(tmp_path, number).unlink()
    names = [name for name, _ in run_figures(record) if name.endswith(f"-{number}")]
    assert names == [f"origin-{number}"]
