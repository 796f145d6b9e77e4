"""What a person sees while a study runs: one line per candidate and a bar that moves."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .candidate import Candidate, Evaluation, Outcome
from .phases import Event, Finished, PhaseStarted, Replanned, Started
from .report.outcomes import describe_pruning, describe_stage

_PHASES = {
    "search": "searching",
    "final": "training the front",
    "pruned": "pruning the front further",
}


class StudyProgress:
    """An observer of a study; a context manager that shows a bar while it is open."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = bar(console)
        self._task: TaskID | None = None
        self._stage = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Shows one event."""
        if isinstance(event, PhaseStarted):
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(
                _PHASES[event.phase], total=event.total, completed=event.done
            )
        elif isinstance(event, Replanned):
            if self._task is not None:
                self._bar.update(self._task, total=event.total)
        elif isinstance(event, Started):
            self._show_stage(event.candidate)
        elif isinstance(event, Finished):
            self._console.print(describe(event.outcome), highlight=False, soft_wrap=True)
            if self._task is not None:
                self._bar.advance(self._task)

    def _show_stage(self, candidate: Candidate) -> None:
        """Names the stage of the search, where there are stages and it has changed."""
        # Of what several workers finish, some is still from the stage before.
        if candidate.searching and candidate.stage > self._stage:
            self._stage = candidate.stage
            stage = describe_stage(candidate.stage)
            self._console.print(stage, highlight=False)
            if self._task is not None:
                self._bar.update(self._task, description=f"{_PHASES['search']}, {stage}")

    def step(self, description: str, done: int, total: int) -> None:
        """Shows how far a later step is."""
        if self._task is not None and self._bar.tasks:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(description, total=total, completed=done)


def bar(console: Console) -> Progress:
    """A progress bar with the elapsed and the remaining time; gone when it is finished."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def describe(outcome: Outcome) -> str:
    """One line on what became of a candidate."""
    candidate = outcome.candidate
    if isinstance(outcome, Evaluation):
        figures = {**outcome.metrics, **outcome.objectives}
        found = (
            f"{figures['val_error']:7.2%} error  {figures['flash_bytes']:>8,.0f} B flash  "
            f"{figures['arena_bytes']:>8,.0f} B arena  {outcome.seconds:5.0f} s"
        )
    else:
        found = escape(f"{outcome.kind}: {outcome.reason}")
    return f"{candidate.id:>7}  {found}  {_origin(candidate)}"


def _origin(candidate: Candidate) -> str:
    """Where a candidate came from."""
    pruning = describe_pruning(candidate)
    if candidate.effort == "final":
        start = f"final of {candidate.parent}"
    elif candidate.effort == "pruned":
        start = f"pruned from {candidate.pruned_from}"
    elif candidate.parent is None:
        start = "given" if candidate.origin == "given" else "random"
    else:
        start = f"{candidate.parent} + {', '.join(candidate.morphisms) or 'other pruning'}"
    return f"[dim]{start}{'; ' + pruning if pruning else ''}[/dim]"
