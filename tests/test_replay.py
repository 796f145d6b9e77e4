"""Replay tables: exact, canonical, the whole sub-space; and searches on them."""

import argparse
import json

import numpy as np
import pytest
from conftest import requires_module

from experiments.bench_report import growth, read_curves, summarize
from experiments.bench_settings import Setting
from experiments.replay import MissingNetworkError, ReplayTable
from experiments.replay_table import SEEDS, TableSpec, enumerate_networks, pack, table_space
from experiments.searchers import StrategySearcher, search
from morphisms import MORPHISMS
from sparse_search.candidate import Candidate, PruningStep, Recipe, Rejection
from sparse_search.dataset import Dataset
from sparse_search.evaluation import plan_metrics
from sparse_search.interfaces import morph
from sparse_search.memory import plan_memory
from sparse_search.pareto import hypervolume
from sparse_search.target import Limits
from sparse_search.training import TrainingConfig

SPEC = TableSpec(
    "tiny", ("conv", "separable"), (2,), ("flatten", "average"), 1, TrainingConfig(epochs=2)
)
IMAGES = 50


def dataset():
    """Images that nothing is trained on: their number is what counts."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 8, 8), dtype=np.uint8)
    labels = np.arange(IMAGES) % 2
    return Dataset.from_arrays(images, labels, validation=(images, labels), name="tiny")


def journal_line(number, architecture, seed):
    """What the builder writes, with made-up errors."""
    plan = plan_memory(table_space(SPEC, dataset()).build(architecture))
    wrong = int(np.random.default_rng([number, seed]).integers(0, IMAGES))
    return {
        "network": number,
        "seed": seed,
        "objectives": {"val_error": wrong / IMAGES},
        "metrics": plan_metrics(plan),
        "float_error": wrong / IMAGES,
        "curve": [0.9, wrong / IMAGES],
        "seconds": 0.25,
    }


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Folder of a journal and of the table that was packed from it; two networks are missing."""
    folder = tmp_path_factory.mktemp("table")
    pairs = [(n, a, s) for n, a in enumerate(enumerate_networks(SPEC)) for s in SEEDS]
    lines = [json.dumps(journal_line(*pair)) for pair in pairs[:-3]]
    (folder / "tiny-0of1.jsonl").write_text("\n".join(lines) + '\n{"network": 167, "se')
    builder = {"commit": "abc", "machine": "a machine"}
    said = pack(SPEC, dataset(), folder, folder / "tiny.json.gz", builder)
    assert "166 networks, 2 missing" in said
    return folder


@pytest.fixture(scope="module")
def table(packed):
    """The tiny table."""
    return ReplayTable.load(packed / "tiny.json.gz")


@pytest.fixture(scope="module")
def setting(table):
    """A comparison on the tiny table."""
    return Setting("tiny", table.space, Limits(2000, 4000), 0.9, table)


def run(setting, strategy, seed=0, count=12):
    """The steps of a search."""
    with setting.evaluator(seed) as evaluate:
        return list(search(StrategySearcher(setting.strategy(strategy), seed), evaluate, count))


def test_a_table_gives_back_what_was_measured(packed, table):
    """Errors, curves and sizes are those of the journal, bit for bit."""
    lines = {}
    for text in (packed / "tiny-0of1.jsonl").read_text().splitlines()[:-1]:
        line = json.loads(text)
        lines.setdefault(line["network"], []).append(line)
    networks = enumerate_networks(SPEC)
    for number in range(0, 166, 7):
        candidate = Candidate(3, table.space.canonical(networks[number]))
        measured = {(line["objectives"]["val_error"], *line["curve"]) for line in lines[number]} | {
            (line["objectives"]["val_error"], *line["curve"])
            for other, same in lines.items()
            if table.space.canonical(networks[other]) == candidate.architecture
            for line in same
        }
        seen = set()
        for seed in range(20):
            evaluation = table.evaluate(candidate, seed)
            assert evaluation.candidate == candidate
            assert evaluation.metrics.items() >= lines[number][0]["metrics"].items()
            assert evaluation.seconds == 0.25
            seen.add((evaluation.objectives["val_error"], *evaluation.curve))
        assert seen == measured
        mean = np.mean([line["objectives"]["val_error"] for line in lines[number]])
        if len(measured) <= 2:
            assert table.mean_objectives(candidate)[0] == pytest.approx(mean)


def test_a_seed_sees_one_draw_of_each_network(table):
    """Asked again, the same search sees the same; another one may see the other draw."""
    candidates = [Candidate(0, architecture) for architecture in table.draws]

    def errors(seed):
        return [table.evaluate(c, seed).objectives["val_error"] for c in candidates]

    assert errors(1) == errors(1)
    assert errors(1) != errors(2)


def test_the_same_content_is_the_same_file(packed):
    """A table has one checksum."""
    first = (packed / "tiny.json.gz").read_bytes()
    pack(SPEC, dataset(), packed, packed / "again.gz", {"commit": "abc", "machine": "a machine"})
    assert (packed / "again.gz").read_bytes() == first


def test_what_the_table_lacks_cannot_be_evaluated(table):
    """Networks that are missing, pruned or trained otherwise have no entry."""
    missing = Candidate(0, table.space.canonical(enumerate_networks(SPEC)[-1]))
    held = Candidate(0, next(iter(table.draws)))
    assert held in table
    for candidate in (
        missing,
        Candidate(0, held.architecture, (PruningStep("magnitude", 0.5),)),
        Candidate(0, held.architecture, recipe=Recipe(dropout=0.1)),
    ):
        assert candidate not in table
        with pytest.raises(MissingNetworkError, match="expected a network of the table"):
            table.evaluate(candidate, 0)


def test_the_space_is_what_was_enumerated(table):
    """Every listed network is a member, and samples and morphs never leave the list."""
    space = table.space
    listed = {space.canonical(architecture) for architecture in enumerate_networks(SPEC)}
    assert all(space.contains(architecture) for architecture in listed)
    rng = np.random.default_rng(0)
    for _ in range(100):
        parent = space.sample(rng)
        assert parent in listed
        for morphism in MORPHISMS:
            for site in morphism.sites(parent, space):
                child = morph(morphism, parent, site, space)
                assert child is None or child in listed


def test_a_network_that_is_spelled_twice_has_all_its_draws(table):
    """On a map of one pixel both heads are one network."""
    counts = [len(draws) for draws in table.draws.values()]
    assert sum(counts) == 166 * len(SEEDS)
    assert len(table) < 166
    assert max(counts) > len(SEEDS)


def test_another_format_is_an_error(packed, tmp_path):
    """An old file says what to do."""
    import gzip

    path = tmp_path / "old.json.gz"
    path.write_bytes(gzip.compress(b'{"format": 0}'))
    with pytest.raises(ValueError, match="build it again"):
        ReplayTable.load(path)


@pytest.mark.parametrize("strategy", ["sparse", "random", "evolution", "ehvi"])
def test_strategies_replay(setting, strategy):
    """Twelve new evaluations, all from the table."""
    steps = run(setting, strategy)
    assert len({step.evaluation.candidate.key for step in steps}) == 12
    assert all(step.evaluation.candidate in setting.table for step in steps)
    assert all(step.propose_seconds >= 0 for step in steps)


def test_a_replay_can_be_repeated(setting):
    """Same strategy, same seed: same evaluations."""
    first, second, other = (
        [step.evaluation for step in run(setting, "evolution", seed, 30)] for seed in (4, 4, 5)
    )
    assert first == second
    assert first != other


def test_a_missing_network_is_told_as_rejected_and_costs_no_evaluation(setting):
    """The searcher learns that there is nothing, and the count goes on."""
    searcher = StrategySearcher(setting.strategy("random"), 0)
    refused = []

    def evaluate(candidate):
        if len(refused) < 5:
            refused.append(candidate)
            raise MissingNetworkError("nothing")
        return setting.table.evaluate(candidate, 0)

    assert len(list(search(searcher, evaluate, 4))) == 4
    assert [isinstance(o, Rejection) for o in searcher.outcomes] == [True] * 5 + [False] * 4


def test_a_search_that_is_always_rejected_ends(setting):
    """Bounded effort."""

    def evaluate(candidate):
        return Rejection(candidate, "failed", "always")

    searcher = StrategySearcher(setting.strategy("random"), 0)
    with pytest.raises(RuntimeError, match="got 0"):
        list(search(searcher, evaluate, 1))


def test_the_hypervolume_of_the_whole_table_is_one(setting):
    """Normalised by what there is to find; networks over a limit do not count."""
    assert setting.hypervolume(setting.table.values) == pytest.approx(1.0)
    assert setting.hypervolume(np.array([[0.0, 4001.0, 10.0]])) == 0.0


def test_growth_is_the_hypervolume_of_every_prefix(setting):
    """The shortcut for dominated points changes nothing."""
    rng = np.random.default_rng(0)
    judged = rng.uniform(0, 1.2, (25, 3)) * setting.reference
    expected = []
    whole = hypervolume(_kept(setting, setting.table.values), np.ones(3))
    for count in range(1, 26):
        expected.append(hypervolume(_kept(setting, judged[:count]), np.ones(3)) / whole)
    assert growth(setting, judged) == pytest.approx(expected)


def _kept(setting, values):
    inside = (values[:, 1:] <= setting.reference[1:]).all(axis=1)
    return values[inside] / setting.reference


def test_runs_are_kept_split_and_continued(setting, tmp_path):
    """A search that has its file is not run again; two parts make the whole."""
    requires_module("optuna")
    from experiments.bench_search import run as run_bench

    def arguments(part):
        return argparse.Namespace(
            seeds=[0, 1], strategies=["random", "evolution"], part=part, out=tmp_path, evaluations=6
        )

    def names():
        return sorted(path.name for path in (tmp_path / "tiny").iterdir())

    run_bench(setting, arguments("0/2"))
    assert names() == ["random-0.jsonl", "random-1.jsonl"]
    (tmp_path / "tiny" / "random-0.jsonl").write_text("kept\n")
    run_bench(setting, arguments("0/1"))
    assert len(names()) == 4
    assert (tmp_path / "tiny" / "random-0.jsonl").read_text() == "kept\n"
    (tmp_path / "tiny" / "random-0.jsonl").unlink()
    run_bench(setting, arguments("1/2"))
    assert len(names()) == 3
    run_bench(setting, arguments("0/2"))
    curves = read_curves(setting, tmp_path)
    assert list(curves) == ["random", "evolution"]
    assert curves["random"].volume.shape == (2, 6)
    assert (np.diff(curves["random"].volume) >= 0).all()
    assert (np.diff(curves["random"].seconds) >= 0.25).all()
    summary = summarize(curves)
    assert summary["random"]["evaluations_to_random"] <= 6
    goal = float(np.median(curves["random"].final))
    reached = [np.flatnonzero(volume >= goal) for volume in curves["evolution"].volume]
    first = sorted(found[0] + 1 if len(found) else np.inf for found in reached)
    assert summary["evolution"]["evaluations_to_random"] == first[0]
