"""A strategy and its indicators over one series, run again and again on what else could have been known."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events, join_events
from stratkernel.contracts.signals import Signals
from stratkernel.contracts.state import State, decode_state, encode_state
from stratkernel.contracts.strategy import BaseStrategy, StrategyData
from stratkernel.contracts.window_indicator import WindowIndicator
from stratkernel.engine.graph_nodes import Node
from stratkernel.engine.indicator_graph import GraphStep
from stratkernel.engine.lookahead.traces import ColumnTrace, EventsTrace, SignalsTrace, Trace
from stratkernel.engine.output_checks import Column, check_advance
from stratkernel.engine.signal_checks import check_signals
from stratkernel.engine.stream import StrategyStream
from stratkernel.kernel.guard import guard

Key: TypeAlias = tuple[int, str]
"""An output of a node, by the node's number; `STRATEGY` for what the strategy says."""
Traces: TypeAlias = Mapping[Key, Trace]

STRATEGY: Final[Key] = (-1, "signals")


class Subject:
    """What is checked: the nodes of the graph, and the strategy on the columns that they give.

    `nodes` and `signals` tell what comes out of given candles from their first one on; the strategy by
    itself is asked on parts of the data of the whole series (`data`), which costs no indicator.
    """

    def __init__(self, new_stream: Callable[[], StrategyStream], columns: Columns) -> None:
        self._new_stream = new_stream
        self._stream = new_stream()
        self.strategy: BaseStrategy[Any] = self._stream.strategy
        self.columns: Final = columns
        self.who: Final = self._stream.item.title
        self.data, self.first = self._stream.data_of(columns)
        self.whole_nodes: Final = self.nodes(columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def window(self) -> int | None:
        """Rows that a signal may depend on; 1 for a strategy with a state of its own."""
        return 1 if self.strategy.is_fold else self.strategy.window

    @property
    def is_recalculated(self) -> bool:
        """Whether it is calculated anew on all of the past at every candle, and so is given no later one."""
        return self.strategy.window is None and not self.strategy.is_fold

    @property
    def graph_nodes(self) -> list[Node]:
        return self._stream.graph.nodes

    def title(self, key: Key) -> str:
        """Who is behind a trace."""
        return self.who if key == STRATEGY else self.graph_nodes[key[0]].item.title

    def ancestors(self, number: int) -> set[int]:
        """The nodes that a node reads, directly or through others."""
        found: set[int] = set()
        for source in self.graph_nodes[number].inputs:
            if source.node is not None:
                found |= {source.node} | self.ancestors(source.node)
        return found

    def nodes(self, columns: Columns) -> dict[Key, Trace]:
        """Every output of every node over these candles."""
        graph = self._stream.graph
        step, _ = graph.advance(columns, graph.initial_states(), 0)
        return self._traces(step, columns)

    def nodes_in_chunks(self, bounds: Sequence[int]) -> dict[Key, Trace]:
        """The same, computed in chunks between these rows, the states saved and restored in between."""
        graph = self._stream.graph
        states: list[State] = graph.initial_states()
        parts: dict[Key, list[Column]] = {}
        for start, stop in pairwise(bounds):
            chunk = self.columns.slice(start, stop)
            step, states = graph.advance(chunk, states, start)
            saved = encode_state({str(i): dict(state) for i, state in enumerate(states)}, {})
            decoded = decode_state(saved, {})
            states = [decoded[str(i)] for i in range(len(states))]
            for number, computed in enumerate(step.computed):
                for output, column in computed.columns.items():
                    parts.setdefault((number, output), []).append(column)
        return {key: self._as_whole(self.whole_nodes[key], columns) for key, columns in parts.items()}

    def signals(self, columns: Columns) -> SignalsTrace:
        """What the strategy says over these candles, from their first one on."""
        self._stream.reset()
        return SignalsTrace(columns.close_time, 0, "signal", self._stream.advance(columns))

    def signals_in_chunks(self, bounds: Sequence[int]) -> SignalsTrace:
        """The same, in chunks between these rows, each by a new stream that goes on from saved state."""
        stream, parts = self._new_stream(), []
        for start, stop in pairwise(bounds):
            part = stream.advance(self.columns.slice(start, stop))
            part.rows = part.rows + start
            if len(part):
                parts.append(part)
            saved = stream.save({})
            stream = self._new_stream()
            stream.restore(saved, {})
        return SignalsTrace(self.columns.close_time[: bounds[-1]], 0, "signal", Signals.join(parts))

    def says(self, start: int, stop: int) -> SignalsTrace:
        """What the strategy by itself says of these rows of the data, given no other."""
        data = self.data.slice(start, stop)
        window = self.window or 1
        undefined = _undefined(data, window)
        if self.strategy.is_fold:
            with guard(self.who, "in advance"):
                given, _ = check_advance(self.strategy.advance(data, self.strategy.initial_state()), self.who)
                signals = check_signals(given, data.close_time, self.who, undefined=undefined)
        elif len(data) < window:
            signals = Signals.none()
        else:
            first = len(data) - 1 if self.strategy.window is None else window - 1
            with guard(self.who, "in calculate"):
                given = self.strategy.calculate(data)
                signals = check_signals(given, data.close_time, self.who, first=first, undefined=undefined)
        return SignalsTrace(data.close_time, 0, "signal", signals)

    def is_exact(self, number: int, *, anchored: bool = True) -> bool:
        """Whether a node and all that it reads look back so many rows and no further, to the bit."""
        node = self.graph_nodes[number]
        indicator = node.indicator
        if not isinstance(indicator, WindowIndicator) or (indicator.exact == "anchored" and not anchored):
            return False
        if type(indicator).advance is not WindowIndicator.advance:
            return False  # a fold of its own, which may remember more
        return all(
            self.is_exact(source.node, anchored=anchored) for source in node.inputs if source.node is not None
        )

    def _traces(self, step: GraphStep, columns: Columns) -> dict[Key, Trace]:
        traces: dict[Key, Trace] = {}
        for number, (node, computed) in enumerate(zip(self.graph_nodes, step.computed, strict=True)):
            at = columns if node.timeframe is None else step.layers[node.timeframe].candles.columns
            times = at.close_time[computed.skipped :]
            for output, column in computed.columns.items():
                blank = max(node.starts[output] - computed.skipped, 0)
                traces[number, output] = _made(times, blank, f"output '{output}'", column)
        return traces

    @staticmethod
    def _as_whole(like: Trace, columns: list[Column]) -> Trace:
        events = [column for column in columns if isinstance(column, Events)]
        dense = [column for column in columns if isinstance(column, np.ndarray)]
        joined = join_events(events, [part.length for part in events]) if events else np.concatenate(dense)
        length = joined.length if isinstance(joined, Events) else len(joined)
        return _made(like.times[:length], like.skipped, like.name, joined)


def _made(times: IntArray, blank: int, name: str, column: Column) -> Trace:
    if isinstance(column, Events):
        return EventsTrace(times, blank, name, column)
    return ColumnTrace(times, blank, name, column)


def _undefined(data: StrategyData, window: int) -> BoolArray | None:
    """Rows whose last `window` rows hold an undefined value; None where there is none."""
    columns = [data.column(name) for name in data.aliases]
    holes = [np.isnan(column) for column in columns if isinstance(column, np.ndarray)]
    if not holes:
        return None
    hole = np.logical_or.reduce(holes)
    if not hole.any():
        return None
    rows = np.arange(len(hole))
    return np.asarray(rows - np.maximum.accumulate(np.where(hole, rows, -window)) < window)
