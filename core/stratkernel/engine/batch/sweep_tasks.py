"""One task of a sweep: a stretch of its combinations over one span of its candles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, overload
from weakref import WeakKeyDictionary

from stratkernel.contracts.candles import Candles
from stratkernel.engine.batch.workshop import CandleReference, Workshop, workshop_of
from stratkernel.engine.grid import Grid
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.sweep import Sweep, SweepOptions
from stratkernel.engine.sweep_result import FailedCombination, SweepRows
from stratkernel.engine.timeframes.plan import VENUE
from stratkernel.kernel.errors import DataError
from stratkernel.kernel.selection import PluginSelection


@dataclass(frozen=True, slots=True)
class SweepSubject:
    """What all tasks of a sweep have in common: any process can make the sweep of it.

    `name` is what the user calls the strategy, `strategy` its qualified id; `data_hash` is what the candles
    must have. `id` tells it from every other sweep.
    """

    id: str
    name: str
    strategy: str
    grid: Grid
    candles: CandleReference
    data_hash: str
    options: RunOptions
    costs: Costs
    metrics: tuple[str, ...]
    selection: PluginSelection

    def load(self, workshop: Workshop) -> Candles:
        """The candles.

        Raises:
            UsageError, DataError, StorageError: they cannot be had, or are others than when it began.
        """
        candles = workshop.candles(self.candles)
        if candles.data_hash != self.data_hash:  # of what was loaded before they changed, perhaps
            workshop.forget(self.candles)
            candles = workshop.candles(self.candles)
        if candles.data_hash != self.data_hash:
            raise DataError(f"{self.candles}: the candles have changed since the sweep began; start it again")
        return candles

    def venue_candles(self, workshop: Workshop) -> dict[str, Candles]:
        """The venue's own candles of higher timeframes; raises as `load`."""
        return dict(workshop.higher_candles(self.candles, venue_names(self.options)))

    def make(self, workshop: Workshop, span: tuple[int, int] | None = None) -> Sweep:
        """The sweep, over all that comes out or over a span of open times; raises as `Sweep` does."""
        options = self.options if span is None else replace(self.options, start=span[0], end=span[1])
        return Sweep(
            workshop.kernel,
            self.strategy,
            self.grid,
            self.load(workshop),
            SweepOptions(self.costs, options, self.metrics),
            cache=workshop.indicators,
            venue_candles=self.venue_candles(workshop),
        )


@dataclass(frozen=True, slots=True)
class SweepTask:
    """Combinations by their numbers in the grid. `window` counts spans: 0 is all that comes out."""

    subject: SweepSubject
    window: int
    span: tuple[int, int] | None
    indices: range | tuple[int, ...]

    def halves(self) -> "tuple[SweepTask, ...]":
        """The same in two parts; a single combination stays as it is."""
        middle = len(self.indices) // 2
        parts = (self.indices[:middle], self.indices[middle:])
        return tuple(replace(self, indices=part) for part in parts if part)

    def failed_rows(self, cause: str) -> SweepRows:
        """Where the task as a whole came to nothing, each of its combinations failed."""
        import numpy as np

        grid = self.subject.grid
        failures = tuple(FailedCombination(index, grid[index], cause) for index in self.indices)
        none = {name: np.empty(0) for name in self.subject.metrics}
        return SweepRows(grid, np.empty(0, dtype=np.int64), none, failures)


class SweepTasks(Sequence[SweepTask]):
    """The tasks of a sweep, made when they are asked for: window after window, stretch after stretch.

    How combinations are split is decided by `at_once` alone, so that any number of workers goes on with
    what others began.
    """

    def __init__(
        self,
        subject: SweepSubject,
        indices: range | tuple[int, ...],
        spans: Sequence[tuple[int, int] | None],
        at_once: int,
    ) -> None:
        self._subject = subject
        self.indices: Final = indices
        """The numbers of the combinations in the grid, ascending."""
        self._spans = spans
        self._at_once = at_once
        self._stretches = -(-len(indices) // at_once)

    def __len__(self) -> int:
        return self._stretches * len(self._spans)

    @overload
    def __getitem__(self, index: int) -> SweepTask: ...
    @overload
    def __getitem__(self, index: slice) -> "tuple[SweepTask, ...]": ...
    def __getitem__(self, index: int | slice) -> "SweepTask | tuple[SweepTask, ...]":
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not 0 <= index < len(self):
            raise IndexError(index)
        window, stretch = divmod(index, self._stretches)
        first = stretch * self._at_once
        part = self.indices[first : first + self._at_once]
        return SweepTask(self._subject, window, self._spans[window], part)


def do_sweep_task(task: SweepTask) -> SweepRows:
    """Do a task in this process; a combination that fails is told with its cause.

    Raises:
        StratkernelError: the candles cannot be had any more, or have changed since the sweep began.
    """
    return _made(task).evaluate(task.indices)


def venue_names(options: RunOptions) -> list[str]:
    """The higher timeframes whose candles are to be the venue's own."""
    return [name for name, source in options.extra_timeframes.items() if source == VENUE]


_latest: Final[WeakKeyDictionary[Workshop, tuple[tuple[str, int], Sweep]]] = WeakKeyDictionary()


def _made(task: SweepTask) -> Sweep:
    """The sweep of a task; a process that does one task after another makes it once."""
    subject = task.subject
    workshop, key = workshop_of(subject.selection), (subject.id, task.window)
    if workshop not in _latest or _latest[workshop][0] != key:
        _latest.pop(workshop, None)
        _latest[workshop] = (key, subject.make(workshop, task.span))
    return _latest[workshop][1]
