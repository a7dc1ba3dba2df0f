"""One higher timeframe of a graph: its candles as they close, and its columns on base rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.graph_nodes import Computed, Node
from stratkernel.engine.output_checks import Column
from stratkernel.engine.timeframes.alignment import Alignment
from stratkernel.engine.timeframes.plan import VENUE, TimeframePlan, check_higher
from stratkernel.engine.timeframes.resampling import HigherCandles, Resampler
from stratkernel.engine.timeframes.venue import VenueCandles
from stratkernel.kernel.errors import UsageError


class Feed(Protocol):
    """Where higher candles come from: a fold over base candles."""

    def initial_state(self) -> State: ...

    def advance(self, columns: Columns, state: State) -> tuple[HigherCandles, State]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """The candles of a higher timeframe that close within a chunk, and the states before and after them."""

    candles: HigherCandles
    state: State
    feed: State

    @property
    def before(self) -> int:
        """How many of its candles had closed before the chunk."""
        return cast("int", self.state["candles"])


@dataclass(frozen=True, slots=True, eq=False)
class LayerStep:
    """What a higher timeframe did during a chunk of base rows.

    `first` is the first of these rows at which its columns are defined, `settled` that from which on they
    do not depend on the origin, `incomplete` the rows at which its newest candle lacks base candles.
    """

    candles: HigherCandles
    columns: Mapping[str, Column]
    first: int
    settled: int
    incomplete: BoolArray


@dataclass(frozen=True, slots=True)
class _Used:
    """A column of the strategy's data: an output of a node."""

    node: int
    output: str
    is_event: bool


class TimeframeLayer:
    """A higher timeframe of a graph.

    Its source gives candles as they close, its nodes advance over these, and the strategy's columns are
    carried from one candle to the next.
    """

    def __init__(self, timeframe: Timeframe, plan: TimeframePlan | None, who: str) -> None:
        self.timeframe = timeframe
        self.feed: Feed | None = None if plan is None else _feed(timeframe, plan, who)
        self._who = who
        self._ratio = 1 if plan is None else timeframe.approximate_micros // plan.base.approximate_micros
        self._used: dict[str, _Used] = {}
        self._start = self._settled = 0

    def add(self, alias: str, number: int, output: str, node: Node) -> None:
        """Give the strategy an output of the node of this number as a column."""
        self._used[alias] = _Used(number, output, output in node.indicator.event_outputs)
        self._start = max(self._start, node.starts[output])
        self._settled = max(self._settled, node.settled)

    @property
    def first_row(self) -> int:
        """The first base row at which its columns are defined, from an origin at which its candles open."""
        return (self._start + 1) * self._ratio - 1

    @property
    def settling(self) -> int:
        """Base rows until its columns do not depend on the origin; see `first_row`."""
        return (self._settled + 1) * self._ratio - 1

    def initial_state(self) -> State:
        """The state before the first base candle."""
        feed = {} if self.feed is None else dict(self.feed.initial_state())
        return cast("State", {"candles": 0, "feed": feed, "incomplete": False, "newest": {}})

    def admit(self, columns: Columns, state: State) -> Admitted:
        """The candles that close with these base candles.

        Raises:
            UsageError: it was not said which candles the strategy runs on.
        """
        if self.feed is None:
            raise UsageError(
                f"{self._who} reads candles of {self.timeframe}; say which candles it runs on (TimeframePlan)"
            )
        candles, feed = self.feed.advance(columns, cast("State", state["feed"]))
        return Admitted(candles, state, feed)

    def align(self, admitted: Admitted, computed: Sequence[Computed], total: int) -> tuple[LayerStep, State]:
        """The strategy's columns on the `total` base rows of the chunk, once all nodes have advanced."""
        candles = admitted.candles
        alignment = Alignment.of(candles.rows, admitted.before, total)
        newest = cast("Mapping[str, float]", admitted.state["newest"])
        columns: dict[str, Column] = {}
        after: dict[str, float] = {}
        for alias, used in self._used.items():
            if used.is_event:
                columns[alias] = alignment.spread_events(
                    _events(computed[used.node], used.output, len(candles))
                )
                continue
            values = _padded(computed[used.node], used.output, len(candles))
            known = newest.get(alias, np.nan)
            columns[alias] = alignment.spread(known, values)
            after[alias] = float(values[-1]) if len(values) else known
        incomplete = cast("bool", admitted.state["incomplete"])
        step = LayerStep(
            candles,
            columns,
            first=alignment.first_row_knowing(self._start),
            settled=alignment.first_row_knowing(self._settled),
            incomplete=alignment.spread(incomplete, candles.incomplete),
        )
        state = {
            "candles": admitted.before + len(candles),
            "feed": dict(admitted.feed),
            "incomplete": bool(candles.incomplete[-1]) if len(candles) else incomplete,
            "newest": after,
        }
        return step, cast("State", state)


def _events(computed: Computed, output: str, rows: int) -> Events:
    if not rows:
        return Events.none(0)
    events = computed.rows(output, 0, rows)
    assert isinstance(events, Events)
    return events


def _padded(computed: Computed, output: str, rows: int) -> FloatArray:
    """An output on all rows of a chunk, NaN where the node was given none."""
    if not rows:
        return np.empty(0)
    values = computed.columns[output]
    assert isinstance(values, np.ndarray)
    if not computed.skipped:
        return values
    return np.concatenate((np.full(computed.skipped, np.nan), values))


def _feed(timeframe: Timeframe, plan: TimeframePlan, who: str) -> Feed:
    check_higher(plan.base, timeframe, who)
    if plan.source_of(timeframe) != VENUE:
        return Resampler(plan.base, timeframe, plan.calendar, omits_empty=plan.omits_empty)
    given = plan.venue_candles.get(timeframe.name)
    if given is None:
        raise UsageError(
            f"{who} is to read the venue's own candles of {timeframe}, and there are none; "
            "bring them, or let them be resampled"
        )
    if given.timeframe != timeframe:
        raise UsageError(
            f"the venue's candles of {timeframe} that were given are candles of {given.timeframe}"
        )
    return VenueCandles(plan.base, given)
