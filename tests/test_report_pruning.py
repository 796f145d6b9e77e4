"""What pruning further has gained: the table, the sentence, and pictures of layers and paths."""

import io
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from PIL import Image
from report_data import OBJECTIVES, SPACE, evaluation
from rich.console import Console

from pruning import PRUNERS
from sparse_search.architecture import Architecture, Conv2D, ConvBlock, SeparableConv2D
from sparse_search.candidate import Candidate, Evaluation, History, PruningStep
from sparse_search.forecast import Forecaster
from sparse_search.memory import MemoryPlan, plan_memory
from sparse_search.pareto import ParetoFront
from sparse_search.report import (
    PruningGains,
    draw_layers,
    draw_paths,
    layers_figure,
    paths_figure,
    pruning_gains,
    pruning_table,
)
from sparse_search.report.files import text_box
from sparse_search.report.pruning import PathGain, path_name
from sparse_search.target import Limits

MODEL = evaluation(1)


def step(
    number: int, error: float, flash: float, method: str = "magnitude", bits: int | None = None
) -> Evaluation:
    """A model that was pruned from ``MODEL``, with this validation error and flash."""
    candidate = replace(
        MODEL.candidate,
        id=200_000 + number,
        pruning=tuple(PruningStep(m, 0.1 + 0.01 * number) for m in method.split("+") if m),
        effort="pruned",
        pruned_from=1,
        codebook_bits=bits,
    )
    sizes = {"flash_bytes": flash, "arena_bytes": MODEL.metrics["arena_bytes"]}
    return Evaluation(candidate, {"val_error": error, **sizes}, {**MODEL.metrics, **sizes})


def gains(*steps: Evaluation, limits: Limits | None = None) -> PruningGains:
    """Of ``MODEL`` with an error of 5 % in 1000 B, and of these steps."""
    sizes = {"flash_bytes": 1000.0, "arena_bytes": MODEL.metrics["arena_bytes"]}
    model = replace(MODEL, objectives={"val_error": 0.05, **sizes}, metrics=MODEL.metrics | sizes)
    history = History([model, evaluation(2), *steps])
    limits = limits or Limits()
    front = ParetoFront.of(history.evaluations, OBJECTIVES, limits)
    return pruning_gains(history, front, SPACE, limits)


class TestGains:
    """The smallest model that is as accurate, by brute force on a few figures."""

    def test_equally_accurate_is_up_to_two_tenths_of_a_point(self) -> None:
        """Of those the smallest counts, whatever is smaller and worse."""
        (path,) = gains(step(0, 0.052, 600), step(1, 0.05, 700), step(2, 0.0521, 400)).paths
        assert path.smallest is not None
        assert path.smallest.candidate.id == 200_000
        assert path.saving == pytest.approx(0.4)
        dense = plan_memory(SPACE.build(MODEL.candidate.architecture)).flash_bytes
        assert path.unpruned_bytes == dense

    def test_what_is_not_smaller_or_breaks_a_limit_is_no_gain(self) -> None:
        """Then there is none."""
        for limits, steps in (
            (Limits(), [step(0, 0.01, 1000), step(1, 0.06, 500)]),
            (Limits(ram_bytes=1), [step(0, 0.01, 500)]),
        ):
            (path,) = gains(*steps, limits=limits).paths
            assert path.smallest is None
            assert path.saving == 0.0

    def test_few_images_are_named(self) -> None:
        """Where one image is more than what counts as equal."""
        few, many = (replace(gains(step(0, 0.05, 600)), images=n) for n in (359, 10_000))
        assert few.sentence.endswith(
            "One of 359 validation images is 0.28 points, so errors are not known that well."
        )
        assert "images" not in many.sentence

    def test_the_sentence_has_the_numbers(self) -> None:
        """For one model, for none, and for several."""
        one = gains(step(0, 0.05, 600))
        assert one.sentence == (
            "Of 1 model, 1 became smaller by 40% of its flash, at no more than 0.2 points more "
            f"validation error; 1 of the {one.front} Pareto-optimal models come from it."
        )
        assert "Of 1 model, none became smaller" in gains(step(0, 0.5, 900)).sentence
        path = one.paths[0]
        half = replace(path, smallest=step(0, 0.05, 500))
        several = PruningGains((path, half, replace(path, smallest=None)), 9, 4)
        assert "Of 3 models, 2 became smaller by 45% of their flash in the median, 50% at most" in (
            several.sentence
        )

    def test_models_that_were_not_pruned_further_have_no_row(self) -> None:
        """And a run without any has no gain to speak of."""
        assert [p.model.candidate.id for p in gains(step(0, 0.05, 600)).paths] == [1]
        assert gains().paths == ()

    def test_the_table_shows_before_and_after(self) -> None:
        """In a terminal of a hundred columns, no number cut."""
        buffer = io.StringIO()
        found = gains(step(0, 0.0412, 1234567.0), step(1, 0.0455, 612.0, "channels+magnitude"))
        Console(file=buffer, width=100).print(pruning_table(found))
        text = buffer.getvalue()
        row = next(line for line in text.splitlines() if "200001" in line)
        for part in ("1,000", "5.00", "612", "4.55", "39", "channels + magnitude"):
            assert part in row

    def test_ways_are_named_by_what_was_changed(self) -> None:
        """Steps of the model itself are not named, nor its own codebook."""
        model = Candidate(0, MODEL.candidate.architecture, (PruningStep("magnitude", 0.1),))
        assert path_name(model, model) == ""
        assert path_name(model, replace(model, codebook_bits=3)) == "3-bit codebook"
        assert path_name(replace(model, codebook_bits=3), model) == "no codebook"
        cut = replace(model, pruning=(PruningStep("channels", 0.2), *model.pruning))
        assert path_name(model, cut) == "channels"


def plans(
    pruning: tuple[PruningStep, ...], architecture: Architecture | None = None
) -> tuple[MemoryPlan, MemoryPlan]:
    """Of a network before and after it is pruned."""
    architecture = architecture or Architecture(
        (ConvBlock((Conv2D(8, 3, 2), SeparableConv2D(12, 3))), ConvBlock((Conv2D(6, 3),))),
        hidden=(20,),
    )
    forecaster = Forecaster(replace(SPACE, pruning=()), PRUNERS)
    unpruned = Candidate(0, architecture)
    return forecaster.plan(unpruned), forecaster.plan(replace(unpruned, pruning=pruning))


BOTH = (PruningStep("channels", 0.5), PruningStep("magnitude", 0.6))
DEEP = Architecture(tuple(ConvBlock((Conv2D(8, 3), Conv2D(8, 3), Conv2D(8, 3))) for _ in range(4)))


def texts_are_readable(figure: Figure) -> None:
    """No text leaves the figure or hides another one."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    texts = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        # Beyond the end of an axis there is one tick more, which is not drawn.
        low, high = axes.get_xlim()
        texts += [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
        texts += axes.get_yticklabels()
    boxes = [Bbox.from_extents(*text_box(t)) for t in texts if t.get_text()]
    width, height = figure.bbox.size
    assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in boxes)
    # A pixel is where the frames of two texts may touch.
    shrunk = [b.expanded(1 - 2 / b.width, 1 - 2 / b.height) for b in boxes]
    assert not any(a.overlaps(b) for a, b in combinations(shrunk, 2))


class TestLayers:
    """layers-ID.png: what became of the weights and the bytes of each layer."""

    def test_bars_are_the_shares_of_the_weights(self) -> None:
        """Kept, zero and removed with channels; 100 % together; the sparsity beside them."""
        before, after = plans(BOTH)
        axes = layers_figure(before, after, title="").axes[0]
        bars = [p for p in axes.patches if isinstance(p, Rectangle)]
        layers = [layer for layer in before.layers if layer.weights]
        pruned = {layer.name: layer for layer in after.layers}
        for number, layer in enumerate(layers):
            left = pruned[layer.name]
            kept, zero, cut = (bar.get_width() for bar in bars[3 * number : 3 * number + 3])
            assert kept == pytest.approx(100 * left.nonzeros / layer.weights)
            assert zero == pytest.approx(100 * (left.weights - left.nonzeros) / layer.weights)
            assert kept + zero + cut == pytest.approx(100)
        assert len(bars) == 3 * len(layers)
        shown = [t.get_text() for t in axes.texts if t.get_gid() == "sparsity"]
        assert shown == [f"{1 - pruned[x.name].nonzeros / x.weights:.0%}" for x in layers]

    def test_bytes_are_those_of_the_plans(self) -> None:
        """Weights and the rest of each layer; the number, and how the weights are stored."""
        before, after = plans(BOTH)
        axes = layers_figure(before, after, title="").axes[1]
        widths = [p.get_width() for p in axes.patches if isinstance(p, Rectangle)]
        pruned = {layer.name: layer for layer in after.layers}
        expected: list[float] = []
        labels = []
        for layer in before.layers:
            if layer.weights:
                for one in (layer, pruned[layer.name]):
                    expected += [one.weight_bytes, one.flash_bytes - one.weight_bytes]
                labels.append(f"{layer.flash_bytes:,} B")
                left = pruned[layer.name]
                labels.append(f"{left.flash_bytes:,} B  {left.encoding}")
        assert widths == expected
        assert [t.get_text() for t in axes.texts if t.get_gid() == "bytes"] == labels

    def test_the_subtitle_has_the_sums(self) -> None:
        """Weights, flash and arena, before and after."""
        before, after = plans(BOTH)
        text = " ".join(t.get_text() for t in layers_figure(before, after, title="x").texts)
        assert f"flash {before.flash_bytes:,} B → {after.flash_bytes:,} B" in text
        assert f"arena {before.arena_bytes:,} B → {after.arena_bytes:,} B" in text

    @pytest.mark.parametrize("architecture", [None, DEEP], ids=["four", "thirteen"])
    def test_texts_are_readable(self, architecture: Architecture | None) -> None:
        """Also with many layers, and where nothing was pruned."""
        for pruning in ((), BOTH):
            before, after = plans(pruning, architecture)
            texts_are_readable(layers_figure(before, after, title="digits: candidate 1, 2.22%"))

    def test_the_picture_is_a_png(self, tmp_path: Path) -> None:
        """1650 pixels wide."""
        draw_layers(*plans(BOTH), tmp_path / "layers.png", title="digits")
        with Image.open(tmp_path / "layers.png") as image:
            image.load()
            assert (image.format, image.width) == ("PNG", 1650)


STEPS = [
    *(step(k, 0.05 + 0.004 * k * k, 900 - 70 * k, "channels") for k in range(6)),
    *(step(10 + k, 0.05 + 0.002 * k * k, 950 - 80 * k) for k in range(8)),
    *(step(20 + k, 0.048 + 0.006 * k, 850 - 90 * k, "channels+magnitude") for k in range(6)),
    step(30, 0.055, 650, "", 4),
    step(31, 0.058, 560, "magnitude", 4),
]


WAYS = [*enumerate("abcdef"), *enumerate(["bayesian", "variational", "layerwise", "x" * 40], 6)]


def front_of(path: PathGain) -> ParetoFront:
    """The front of a model and its steps."""
    return ParetoFront.of([path.model, *path.steps], OBJECTIVES, Limits())


class TestPaths:
    """path-ID.png: error against bytes, a line for each way."""

    def test_every_step_is_drawn_once_and_optimal_ones_are_filled(self) -> None:
        """At its bytes and its error in percent; the model itself is a star of its own."""
        (path,) = gains(*STEPS).paths
        front = front_of(path)
        axes = paths_figure(path, front, title="").axes[0]
        drawn, filled = [], []
        for group in axes.collections:
            points = [tuple(p) for p in np.asarray(group.get_offsets()).tolist()]
            drawn += points
            if to_hex(np.asarray(group.get_facecolor())[0]) != "#ffffff":
                filled += points

        def place(evaluation: Evaluation) -> tuple[float, float]:
            return (evaluation.objectives["flash_bytes"], 100 * evaluation.objectives["val_error"])

        expected = np.array(sorted(map(place, [path.model, *path.steps])))
        assert np.array(sorted(drawn)) == pytest.approx(expected)
        optimal = [e for e in path.steps if e in front]
        expected = np.array(sorted(map(place, [path.model, *optimal])))
        assert np.array(sorted(filled)) == pytest.approx(expected)
        labels = [t.get_text() for t in axes.texts if t.get_gid() == "candidate"]
        assert sorted(labels) == sorted(str(e.candidate.id) for e in front.evaluations)

    def test_each_way_is_a_line_from_the_model_with_a_look_of_its_own(self) -> None:
        """Ordered by sparsity; a codebook's way begins with the codebook alone."""
        (path,) = gains(*STEPS[::-1]).paths
        axes = paths_figure(path, front_of(path), title="").axes[0]
        lines = [x for x in axes.lines if len(np.asarray(x.get_xdata())) > 1 and not x.get_gid()]
        starts = [tuple(np.asarray(x.get_xydata())[0]) for x in lines if x.get_linewidth() > 1]
        assert len(starts) == 5
        assert starts.count((1000.0, pytest.approx(5.0))) == 4
        assert starts.count((650.0, pytest.approx(5.5))) == 1
        looks = {(x.get_color(), x.get_linestyle()) for x in lines if x.get_linewidth() > 1}
        assert len(looks) == 5
        for line in lines:
            if line.get_linewidth() > 1:
                sizes = np.asarray(line.get_xdata())
                assert (np.diff(sizes) < 0).all()

    @pytest.mark.parametrize("count", [1, 8, 22, 34])
    def test_texts_are_readable(self, count: int) -> None:
        """The legend of many ways, and the labels of many optimal models."""
        steps = [*STEPS, *(step(40 + k, 0.07, 500, f"{w}+magnitude", 3) for k, w in WAYS)]
        (path,) = gains(*steps[:count]).paths
        texts_are_readable(paths_figure(path, front_of(path), title="digits: candidate 1"))

    def test_the_picture_is_a_png(self, tmp_path: Path) -> None:
        """1200 pixels wide, with a row of the legend for every three ways."""
        (path,) = gains(*STEPS).paths
        draw_paths(path, front_of(path), tmp_path / "path.png", title="digits")
        with Image.open(tmp_path / "path.png") as image:
            image.load()
            assert (image.format, image.width) == ("PNG", 1200)
