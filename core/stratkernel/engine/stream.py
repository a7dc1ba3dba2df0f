"""One strategy over one series, chunk by chunk: batch is one chunk, live is a chunk a candle."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns, candle_columns
from stratkernel.contracts.events import Events, join_events
from stratkernel.contracts.indicator import IndicatorRequest
from stratkernel.contracts.result import canonical_json
from stratkernel.contracts.signals import SignalFlag, Signals
from stratkernel.contracts.state import State, decode_state, encode_state
from stratkernel.contracts.strategy import BaseStrategy, StrategyData
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.indicator_graph import GraphStep, IndicatorGraph, NodeLookup
from stratkernel.engine.output_checks import Column, check_advance
from stratkernel.engine.signal_checks import check_signals
from stratkernel.engine.timeframes.plan import RESAMPLED, TimeframePlan
from stratkernel.engine.timeframes.venue import VenueCandles
from stratkernel.kernel.errors import ParameterError, PluginContractError, StratkernelError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.registry import Item

FlagArray: TypeAlias = npt.NDArray[np.uint8]
"""`SignalFlag` bits, one value a signal."""


class StrategyStream:
    """Carries a strategy's state over chunks of candles.

    The signals of a series do not depend on how it is cut. `advance` gives signals whose rows count
    within the chunk. `plan` says which candles they are, for strategies that read higher timeframes.
    """

    def __init__(
        self,
        strategy: BaseStrategy[Any],
        item: Item,
        indicators: IndicatorFactory,
        plan: TimeframePlan | None = None,
    ) -> None:
        self.strategy = strategy
        self.item = item
        self._plan = plan
        with guard(item.title, "to say which indicators it needs", passing=ParameterError):
            requests = strategy.get_required_indicators()
        if not isinstance(requests, Mapping):
            raise PluginContractError(
                f"{item.title}: get_required_indicators gave {type(requests).__name__}, "
                "expected a dict of alias to indicator(...)"
            )
        with guard(item.title, "to have its indicators resolved", passing=StratkernelError):
            self.graph = IndicatorGraph(dict[str, IndicatorRequest](requests), indicators, item.title, plan)
        self._window = _window(strategy, item)
        self._metadata: frozenset[str] | None = None
        self.reset()

    @property
    def warm_up(self) -> int:
        """Candles from the origin on that can give no signal.

        With higher timeframes: from an origin at which their candles open, without gaps.
        """
        return self.graph.first_row + self._before_first

    @property
    def evaluated(self) -> int:
        """The rows since the origin or the last reset that could give a signal."""
        return max(self._defined - self._before_first, 0)

    @property
    def extra_timeframes(self) -> dict[str, str]:
        """The higher timeframes that the strategy reads, and where their candles come from."""
        plan = self._plan
        return {
            name: RESAMPLED if plan is None else plan.source_of(layer.timeframe)
            for name, layer in sorted(self.graph.layers.items())
        }

    @property
    def _before_first(self) -> int:
        """Rows that are defined and only looked back at."""
        return 0 if self.strategy.is_fold or self._window is None else self._window - 1

    def reset(self) -> None:
        """Start anew at the next candle, as at an origin."""
        self._row = 0
        self._defined = 0
        self._states: list[State] = self.graph.initial_states()
        self._tail: StrategyData | None = None
        self._own: State = {}
        if self.strategy.is_fold:
            with guard(self.item.title, "to give its initial state"):
                self._own = self.strategy.initial_state()

    def advance(self, columns: Columns) -> Signals:
        """The signals of the next candles."""
        return self.advance_flagged(columns)[0]

    def advance_flagged(
        self, columns: Columns, lookup: NodeLookup | None = None
    ) -> tuple[Signals, FlagArray]:
        """The signals of the next candles, and for each whether it is settling or incomplete.

        With a `lookup` the candles are all that there are until the next reset, and nodes that it knows are
        not computed.
        """
        if lookup is None:
            step, self._states = self.graph.advance(columns, self._states, self._row)
        else:
            step = self.graph.evaluate(columns, lookup)
        start = step.first
        data = self._data_of(columns, step)
        defined_before = self._defined
        self._row += len(columns)
        self._defined += len(data)
        if self.strategy.is_fold:
            signals = self._advance_fold(data)
        elif self._window is None:
            signals = self._recalculate(data)
        else:
            signals = self._calculate(data, self._window, defined_before)
        signals.rows = signals.rows + start
        return signals, _flags(signals.rows, step)

    def data_of(self, columns: Columns) -> tuple[StrategyData, int]:
        """What the strategy reads of a whole series, and the row of the series at which that begins."""
        step, _ = self.graph.advance(columns, self.graph.initial_states(), 0)
        return self._data_of(columns, step), step.first

    def _data_of(self, columns: Columns, step: GraphStep) -> StrategyData:
        start, stop = step.first, len(columns)
        return StrategyData(columns.slice(start, stop), self.graph.columns_of(step, start, stop))

    def give(self, timeframe: str, columns: Columns) -> None:
        """Further candles of a venue's own higher timeframe; base candles that close later will see them.

        Raises:
            UsageError: the strategy does not read the venue's own candles of this timeframe.
        """
        layer = self.graph.layers.get(timeframe)
        if layer is None or not isinstance(layer.feed, VenueCandles):
            raise UsageError(f"{self.item.title} reads no candles of {timeframe} that are the venue's own")
        layer.feed.extend(columns)

    def save(self, header: Mapping[str, str | int]) -> bytes:
        """The state as bytes; `header` says what it belongs to and must be there again at `restore`."""
        tail = None if self._tail is None else _tail_state(self._tail)
        count = len(self.graph.nodes)
        nodes = {node.key: dict(state) for node, state in zip(self.graph.nodes, self._states, strict=False)}
        higher = {
            name: dict(state) for name, state in zip(self.graph.layers, self._states[count:], strict=True)
        }
        payload = {
            "row": self._row,
            "defined": self._defined,
            "nodes": nodes,
            "higher": higher,
            "tail": tail,
            "own": dict(self._own),
        }
        return encode_state(payload, self._header(header))

    def restore(self, data: bytes, header: Mapping[str, str | int]) -> None:
        """Go on where `save` was called.

        Raises:
            StateError: damaged, or saved by another strategy, version or configuration.
        """
        payload = decode_state(data, self._header(header))
        self._row = payload["row"]
        self._defined = payload["defined"]
        self._states = [payload["nodes"][node.key] for node in self.graph.nodes]
        self._states += [payload["higher"][name] for name in self.graph.layers]
        self._tail = None if payload["tail"] is None else _tail_data(payload["tail"])
        self._own = payload["own"]

    def _header(self, header: Mapping[str, str | int]) -> dict[str, str | int | None]:
        versions = "; ".join(
            f"{node.key} {node.item.record.version} state {node.indicator.state_version}"
            for node in self.graph.nodes
        )
        own = f"{self.item.qualified} {self.item.record.version} state {self.strategy.state_version}"
        params = canonical_json(self.strategy.params.model_dump(mode="json"))
        about = {"strategy": own, "parameters": params, "window": self._window, "nodes": versions}
        if self._plan is not None and self.graph.layers:
            sources = ", ".join(f"{name} {source}" for name, source in self.extra_timeframes.items())
            about["timeframes"] = f"{self._plan.base}, {sources}"
        return {**about, **header}

    def _call(self, data: StrategyData, first: int) -> Signals:
        """What `calculate` says of the rows from `first` on whose window holds no undefined value."""
        undefined = self._undefined(data, self._window or 1)
        with guard(self.item.title, "in calculate"):
            given = self.strategy.calculate(data)
            signals = check_signals(given, data.close_time, self.item.title, first=first, undefined=undefined)
        self._check_metadata(signals)
        return signals

    def _advance_fold(self, data: StrategyData) -> Signals:
        undefined = self._undefined(data, 1)
        with guard(self.item.title, "in advance"):
            given, self._own = check_advance(self.strategy.advance(data, self._own), self.item.title)
            signals = check_signals(given, data.close_time, self.item.title, undefined=undefined)
        self._check_metadata(signals)
        return signals

    def _undefined(self, data: StrategyData, window: int) -> BoolArray | None:
        """Rows whose last `window` rows hold a NaN of a nullable output; `None` where there is none."""
        names = self.graph.nullable
        if not names:
            return None
        holes = np.logical_or.reduce([np.isnan(data[name]) for name in names])
        rows = np.arange(len(holes))
        last_hole = np.maximum.accumulate(np.where(holes, rows, -window))
        return np.asarray(rows - last_hole < window)

    def _check_metadata(self, signals: Signals) -> None:
        """Signals of one strategy form one table, so they carry the same columns from chunk to chunk."""
        if not len(signals):
            return
        names = frozenset(signals.metadata)
        self._metadata = names if self._metadata is None else self._metadata
        if names != self._metadata:
            raise PluginContractError(
                f"{self.item.title} gave the metadata {sorted(names)} after {sorted(self._metadata)}, "
                "expected the same columns with all signals"
            )

    def _calculate(self, data: StrategyData, window: int, defined_before: int) -> Signals:
        """Give `calculate` the window - 1 rows before the chunk, and drop what it says of them."""
        joined = data if self._tail is None else _join(self._tail, data)
        kept = len(joined) - len(data)
        first = max(kept, kept + window - 1 - defined_before)
        signals = self._call(joined, first) if len(joined) >= window else Signals.none()
        if window > 1:
            self._tail = joined.slice(max(0, len(joined) - window + 1), len(joined))
        signals.rows = signals.rows - kept
        return signals

    def _recalculate(self, data: StrategyData) -> Signals:
        """`window = None`: all of the history at every candle, so that batch equals live."""
        joined = data if self._tail is None else _join(self._tail, data)
        kept = len(joined) - len(data)
        self._tail = joined
        parts = [self._call(joined.slice(0, row + 1), row) for row in range(kept, len(joined))]
        signals = Signals.join([part for part in parts if len(part)])
        signals.rows = signals.rows - kept
        return signals


def _flags(rows: IntArray, step: GraphStep) -> FlagArray:
    flags = (rows < step.settled).astype(np.uint8) * np.uint8(SignalFlag.SETTLING)
    if step.incomplete is not None:
        flags |= step.incomplete[rows].astype(np.uint8) * np.uint8(SignalFlag.INCOMPLETE)
    return flags


def _window(strategy: BaseStrategy[Any], item: Item) -> int | None:
    window = strategy.window
    if window is not None and (not isinstance(window, int) or isinstance(window, bool) or window < 1):
        raise PluginContractError(
            f"{item.title}: window is {window!r}, expected a number of rows of at least 1, or None"
        )
    return window


def _join(before: StrategyData, data: StrategyData) -> StrategyData:
    arrays = {name: np.concatenate((before.candles[name], data.candles[name])) for name in CANDLE_COLUMNS}
    times = np.concatenate((before.close_time, data.close_time))
    columns = {name: _join_column(before.column(name), data.column(name)) for name in data.aliases}
    return StrategyData(candle_columns(arrays, times), columns)


def _join_column(before: Column, column: Column) -> Column:
    if isinstance(before, Events) and isinstance(column, Events):
        return join_events((before, column), (before.length, column.length))
    assert isinstance(before, np.ndarray)
    assert isinstance(column, np.ndarray)
    joined: FloatArray = np.concatenate((before, column))
    joined.flags.writeable = False
    return joined


def _tail_state(tail: StrategyData) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in tail.aliases:
        column = tail.column(name)
        columns[name] = (
            {"rows": column.rows, "values": column.values} if isinstance(column, Events) else column
        )
    candles = {name: tail.candles[name] for name in CANDLE_COLUMNS}
    return {"close_time": tail.close_time, "candles": candles, "columns": columns}


def _tail_data(state: Mapping[str, Any]) -> StrategyData:
    length = len(state["close_time"])
    columns: dict[str, Column] = {
        name: Events(column["rows"], column["values"], length) if isinstance(column, dict) else column
        for name, column in state["columns"].items()
    }
    return StrategyData(candle_columns(state["candles"], state["close_time"]), columns)
