"""Optuna's samplers as peers: the same space, the same evaluations, asked kindly.

A candidate is spelled as Optuna's parameters, one after another as it is built. TPE, which models
conditional parameters, is asked only for those that exist. NSGA-II and the Gaussian process draw
parameters at random that not all candidates have, so they are asked for all of them, and what
belongs to a layer that does not exist is ignored; for the Gaussian process this takes too long in
large spaces. Sparsities that single layers have of their own are left out: their names are not
known beforehand.

How a suggestion that cannot be evaluated is treated:

- A window or a pooling does not fit its input: the padding becomes "same", the pooling is left out.
- It breaks a limit: it is narrowed, as our own strategies do it.
- Neither helps: it is told as failed and costs nothing.
- It was evaluated before: it is told its values again and costs nothing.

What was repaired is told under the parameters that were suggested. After some useless suggestions
in a row a random one is asked for instead.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from sparse_search.architecture import (
    POOL_SIDES,
    Architecture,
    ConvBlock,
    ConvLayer,
    InputTransform,
    make_layer,
)
from sparse_search.builder import place_window
from sparse_search.candidate import Candidate, Evaluation, Outcome, PruningStep, Recipe
from sparse_search.errors import ArchitectureError
from sparse_search.forecast import Forecaster
from sparse_search.search.feasible import Sieve
from sparse_search.space import SearchSpace
from sparse_search.target import Limits

T = TypeVar("T")
_RANDOM_ASKS = 200


@dataclass(frozen=True)
class Peer:
    """A sampler of Optuna and how it is asked.

    Attributes:
        make: Makes the sampler from a seed.
        flat_layers: In a space of at most this many layers it is asked for all parameters, in a
            larger one for those of parts that exist.
        asks: Suggestions in a row that may be of no use, before a random one is asked for.
    """

    make: Callable[[int], BaseSampler]
    flat_layers: int
    asks: int


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, warn_independent_sampling=False)


PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "optuna-tpe": Peer(lambda seed: TPESampler(seed=seed), 0, 50),
        "optuna-nsga2": Peer(lambda seed: NSGAIISampler(seed=seed, population_size=20), 99, 50),
        # With all parameters of twelve layers a proposal takes half a minute.
        "optuna-gp": Peer(_gp, 4, 4),
    }
)


class OptunaSearcher:
    """A search by one of Optuna's samplers; minimises all objectives."""

    def __init__(
        self,
        peer: Peer,
        forecaster: Forecaster,
        limits: Limits,
        objectives: Sequence[str],
        seed: int,
    ) -> None:
        """Makes a searcher.

        Args:
            peer: The sampler.
            forecaster: Predicts sizes; its space is searched.
            limits: What a candidate must keep.
            objectives: Names of what is minimised.
            seed: Of the sampler.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._peer = peer
        self._forecaster = forecaster
        self._limits = limits
        self._objectives = tuple(objectives)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._sampler = peer.make(seed)
        self._random = RandomSampler(seed=seed)
        self._study = optuna.create_study(
            directions=["minimize"] * len(self._objectives), sampler=self._sampler
        )
        self._trial: optuna.Trial | None = None
        self._seen: dict[Any, list[float]] = {}
        self.useless = 0

    def propose(self, candidate_id: int) -> Candidate:
        """The first suggestion that can be evaluated and was not before.

        Raises:
            RuntimeError: Random suggestions cannot be evaluated either.
        """
        for number in range(self._peer.asks + _RANDOM_ASKS):
            self._study.sampler = self._sampler if number < self._peer.asks else self._random
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._trial = self._study.ask()
                candidate = self._read(self._trial, candidate_id)
            if candidate is None:
                self._study.tell(self._trial, state=optuna.trial.TrialState.FAIL)
            elif candidate.key in self._seen:
                self._study.tell(self._trial, self._seen[candidate.key])
            else:
                return candidate
            self.useless += 1
        raise RuntimeError("expected a new candidate, got only known ones or such that do not fit")

    def record(self, outcome: Outcome) -> None:
        """Tells the sampler what was measured."""
        assert self._trial is not None, "record follows propose"
        if isinstance(outcome, Evaluation):
            values = [outcome.objectives[name] for name in self._objectives]
            self._seen[outcome.candidate.key] = values
            self._study.tell(self._trial, values)
        else:
            self._study.tell(self._trial, state=optuna.trial.TrialState.FAIL)

    def _read(self, trial: optuna.Trial, candidate_id: int) -> Candidate | None:
        """The feasible candidate that the trial spells; None if there is none."""
        space = self._forecaster.space
        conditional = space.max_blocks * space.max_layers > self._peer.flat_layers
        candidate = suggest_candidate(trial, space, candidate_id, conditional)
        if candidate is None:
            return None
        forecast = Sieve(self._forecaster, self._limits).admit(candidate)
        return forecast.candidate if forecast is not None else None


def suggest_candidate(
    trial: optuna.Trial, space: SearchSpace, candidate_id: int, conditional: bool
) -> Candidate | None:
    """Asks a trial for a candidate of the space; None if what it spells fits no image.

    Args:
        trial: Is asked for parameters.
        space: What may be spelled.
        candidate_id: Id of the candidate.
        conditional: Whether parameters of parts that do not exist are left out.
    """
    ask = _Asker(trial)
    count = ask.number("blocks", 1, space.max_blocks)
    blocks = [
        _suggest_block(ask, space, f"block{i}", conditional)
        for i in range(count if conditional else space.max_blocks)
    ]
    hidden_count = ask.number("hidden", 0, space.max_hidden)
    hidden = [
        ask.number(f"hidden{i}", *space.hidden_units, log=True)
        for i in range(hidden_count if conditional else space.max_hidden)
    ]
    transform = InputTransform(
        ask.ranked("input.pool", space.input_pools),
        ask.any_of("input.colour", space.colours),
        ask.any_of("input.fc_branch", space.fc_branches),
    )
    head = ask.any_of("head", space.heads)
    pruning = _suggest_pruning(ask, space, conditional)
    recipe = Recipe(
        ask.ranked("learning_rate", space.recipes.learning_rate_scales),
        ask.ranked("batch", space.recipes.batch_scales),
        ask.ranked("weight_decay", space.recipes.weight_decays),
        ask.ranked("dropout", space.recipes.dropouts),
    )
    spelled = Architecture(tuple(blocks[:count]), tuple(hidden[:hidden_count]), head, transform)
    try:
        architecture = space.canonical(fit(spelled, space))
    except ArchitectureError:
        return None
    if not space.contains(architecture):
        return None
    return Candidate(candidate_id, architecture, pruning, recipe)


def fit(architecture: Architecture, space: SearchSpace) -> Architecture:
    """The architecture with windows and poolings that fit, as far as padding "same" can do it.

    The layers of a block with a branch get padding "same" too: both paths give one shape then.
    """
    height, width, _ = space.input_shape
    size = height // architecture.input.pool, width // architecture.input.pool
    blocks = []
    for block in architecture.blocks:
        layers: list[ConvLayer] = []
        for layer in block.layers:
            strides = (layer.stride, layer.stride)
            placed = place_window(size, layer.kernel, strides, layer.padding)
            if placed is None or block.branch != "none":
                layer = replace(layer, padding="same")
                placed = place_window(size, layer.kernel, strides, layer.padding)
            layers.append(layer)
            size = placed[1] if placed is not None else size
        pool = block.pool if min(size) >= POOL_SIDES[block.pool] else "none"
        size = size[0] // POOL_SIDES[pool], size[1] // POOL_SIDES[pool]
        blocks.append(replace(block, layers=tuple(layers), pool=pool))
    return replace(architecture, blocks=tuple(blocks))


def _suggest_pruning(
    ask: "_Asker", space: SearchSpace, conditional: bool
) -> tuple[PruningStep, ...]:
    """A step for each kind of pruning that removes anything."""
    steps = []
    for r in space.pruning:
        sparsity = ask.ranked(f"pruning.{r.method}", r.levels)
        if sparsity > 0 or not conditional:
            step = PruningStep(ask.any_of(f"pruning.{r.method}.by", r.methods), sparsity)
            steps.extend([step] if sparsity > 0 else [])
    return tuple(steps)


def _suggest_block(ask: "_Asker", space: SearchSpace, name: str, conditional: bool) -> ConvBlock:
    count = ask.number(f"{name}.layers", 1, space.max_layers)
    layers = [
        _suggest_layer(ask, space, f"{name}.layer{j}", conditional)
        for j in range(count if conditional else space.max_layers)
    ]
    return ConvBlock(
        tuple(layers[:count]),
        ask.any_of(f"{name}.pool", space.pools),
        ask.any_of(f"{name}.branch", space.branches),
        ask.any_of(f"{name}.fc_branch", space.fc_branches),
    )


def _suggest_layer(ask: "_Asker", space: SearchSpace, name: str, conditional: bool) -> ConvLayer:
    kind = ask.any_of(f"{name}.kind", space.kinds)
    filters = reduction = 1
    if kind != "depthwise" or not conditional:
        filters = (
            ask.ranked(f"{name}.filters", space.widths)
            if space.widths
            else ask.number(f"{name}.filters", 1, space.max_filters, log=True)
        )
    if kind == "downsampled" or ("downsampled" in space.kinds and not conditional):
        reduction = ask.ranked(f"{name}.reduction", space.reductions_percent)
    return make_layer(
        kind,
        filters,
        ask.ranked(f"{name}.kernel", space.kernels),
        ask.ranked(f"{name}.stride", space.strides),
        ask.any_of(f"{name}.padding", space.paddings),
        reduction,
    )


class _Asker:
    """Asks a trial for parameters; what has one value only is not asked for."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def number(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """An integer in [low, high]."""
        return low if low == high else self._trial.suggest_int(name, low, high, log=log)

    def ranked(self, name: str, options: Sequence[T]) -> T:
        """One of some ordered options."""
        return options[self.number(name, 0, len(options) - 1)]

    def any_of(self, name: str, options: Sequence[T]) -> T:
        """One of some options without an order."""
        if len(options) == 1:
            return options[0]
        place = self._trial.suggest_categorical(name, list(range(len(options))))
        return options[int(str(place))]
