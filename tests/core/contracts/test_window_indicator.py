"""The easy form: several outputs, events and holes, whole and in chunks, windows and anchors."""

from typing import Any, ClassVar, Literal

import numpy as np
import pytest

from higher_timeframes import first_chunk_difference
from made_strategies import strategy_doing
from stratkernel import (
    BaseIndicator,
    Columns,
    Events,
    IndicatorFactory,
    IndicatorRequest,
    Kernel,
    Params,
    PluginContractError,
    Signals,
    SignalType,
    Values,
    WindowIndicator,
    indicator,
)
from stratkernel.engine.indicator_graph import IndicatorGraph
from stratkernel.engine.stream import StrategyStream
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.kernel.records import PluginRecord
from stratkernel.kernel.registry import Item
from stratkernel.testing.candles import candles_from_close, random_walk

LOOKBACK = 3


class Turns(WindowIndicator):
    """A dense sum, a column with holes, and events, from windows of four rows."""

    name = "turns"
    outputs: ClassVar[tuple[str, ...]] = ("sum", "holes", "peaks")
    event_outputs: ClassVar[frozenset[str]] = frozenset({"peaks"})
    nullable: ClassVar[frozenset[str]] = frozenset({"holes"})
    least_rows: ClassVar[int] = 10**9

    def lookback(self) -> int:
        return LOOKBACK

    def calculate(self, columns: Columns) -> Values:
        type(self).least_rows = min(self.least_rows, len(columns))
        # an author who knows of no warm-up: fails with fewer rows than a window
        windows = np.lib.stride_tricks.sliding_window_view(columns.close, LOOKBACK + 1)
        sums, highest = np.full(len(columns), np.nan), np.zeros(len(columns), dtype=bool)
        sums[LOOKBACK:] = windows[:, 0] + windows[:, 1] + windows[:, 2] + windows[:, 3]
        highest[LOOKBACK:] = windows[:, -1] == windows.max(axis=1)
        rows = np.flatnonzero(highest)
        holes = np.where(columns.close_time // 3_600_000_000 % 7 == 0, np.nan, columns.close)
        return {"sum": sums, "holes": holes, "peaks": Events(rows, columns.close[rows], len(columns))}


class AnchoredTurns(Turns):
    name = "anchored_turns"
    exact: ClassVar[Literal["window", "anchored"]] = "anchored"


def stream(kernel: Kernel, request: IndicatorRequest, **more: Any) -> StrategyStream:
    def calculate(data: Any) -> Signals:
        peaks = data.events("turns.peaks")
        confidence = 1.0 / (1.0 + np.abs(data["turns.sum"][peaks.rows]))
        return Signals(
            peaks.rows, SignalType.ENTRY_LONG, confidence=confidence, metadata={"peak": peaks.values}
        )

    made = strategy_doing(calculate, needs={"turns": request}, **more)
    item = Item(STRATEGY, "made", made, PluginRecord("made", "acme", "1", "made"))
    return StrategyStream(made(), item, IndicatorFactory(kernel))


@pytest.mark.parametrize("cls", [Turns, AnchoredTurns])
@pytest.mark.parametrize("window", [1, 3])
def test_window_indicator_with_events_in_chunks_gives_the_same_signals(
    kernel: Kernel, cls: type[BaseIndicator[Any]], window: int
) -> None:
    columns = candles_from_close(random_walk(700, seed=6)).columns
    assert len(stream(kernel, indicator(cls), window=window).advance(columns)) > 20
    difference = first_chunk_difference(
        lambda: stream(kernel, indicator(cls), window=window), columns, (1, 7, 64, 255, 256, 257)
    )
    assert difference is None


def test_calculate_is_never_called_with_less_than_a_window(kernel: Kernel) -> None:
    Turns.least_rows = 10**9
    columns = candles_from_close(random_walk(20)).columns
    made = stream(kernel, indicator(Turns))
    for row in range(20):
        made.advance(columns.slice(row, row + 1))
    assert Turns.least_rows == LOOKBACK + 1


@pytest.mark.parametrize("window", [1, 2, 4])
def test_signals_on_rows_whose_window_holds_an_undefined_value_are_dropped(
    kernel: Kernel, window: int
) -> None:
    columns = candles_from_close(random_walk(200)).columns

    def everywhere(data: Any) -> Signals:
        sure = np.where(np.isnan(data["turns.holes"]), np.nan, 1.0)
        return Signals(np.arange(len(data)), SignalType.ENTRY_LONG, confidence=sure)

    made = strategy_doing(everywhere, needs={"turns": indicator(Turns)}, window=window)
    item = Item(STRATEGY, "made", made, PluginRecord("made", "acme", "1", "made"))
    whole = StrategyStream(made(), item, IndicatorFactory(kernel)).advance(columns)
    hole = columns.close_time // 3_600_000_000 % 7 == 0
    expected = [
        row for row in range(LOOKBACK + window - 1, 200) if not hole[max(0, row - window + 1) : row + 1].any()
    ]
    assert whole.rows.tolist() == expected
    assert len(expected) > 50
    make = lambda: StrategyStream(made(), item, IndicatorFactory(kernel))  # noqa: E731 - as short as it gets
    assert first_chunk_difference(make, columns, (1, 7, 64)) is None


def test_indicator_of_a_nullable_output_is_refused(kernel: Kernel) -> None:
    request = indicator("ema", on=indicator(Turns)["holes"])
    with pytest.raises(PluginContractError, match=r"reads 'holes' of indicator 'turns' .*\(nullable\)"):
        IndicatorGraph({"a": request}, IndicatorFactory(kernel), "strategy 'test'")


def test_infinite_value_of_a_nullable_output_is_refused(kernel: Kernel) -> None:
    class Infinite(Turns):
        name = "infinite"
        outputs = ("infinite",)
        event_outputs = frozenset()
        nullable = frozenset({"infinite"})

        def calculate(self, columns: Columns) -> Values:
            return np.where(np.arange(len(columns)) == 9, np.inf, columns.close)

    graph = IndicatorGraph({"a": indicator(Infinite)}, IndicatorFactory(kernel), "strategy 'test'")
    with pytest.raises(PluginContractError, match="is inf at the candle"):
        graph.advance(candles_from_close(random_walk(20)).columns, graph.initial_states(), 0)


class TwoLines(WindowIndicator[Params]):
    name = "two_lines"
    outputs = ("up", "down")

    def lookback(self) -> int:
        return 0

    def calculate(self, columns: Columns) -> Values:
        return {"up": columns.close, "down": columns.close}


def test_outputs_of_a_subclass_are_inherited_and_a_default_follows_the_name() -> None:
    class Renamed(TwoLines):
        name = "renamed"

    class Single(WindowIndicator):
        name = "single"

    class Other(Single):
        name = "other"

    assert Renamed.outputs == ("up", "down")
    assert (Single.outputs, Other.outputs) == (("single",), ("other",))


def test_two_classes_of_one_name_are_refused(kernel: Kernel) -> None:
    class First(TwoLines):
        name = "same"

    class Second(TwoLines):
        name = "same"

    requests = {"a": indicator(First), "b": indicator(Second)}
    with pytest.raises(PluginContractError, match="two indicators that are both called"):
        IndicatorGraph(requests, IndicatorFactory(kernel), "strategy 'test'")


def test_settling_adds_up_along_a_chain(kernel: Kernel) -> None:
    one = indicator("ema", period=50)
    graph = IndicatorGraph(
        {"a": indicator("ema", period=50, on=one)}, IndicatorFactory(kernel), "strategy 'test'"
    )
    assert graph.settling == 2 * 20 * 50
    assert graph.first_row == 2 * 49


def test_event_columns_cannot_be_written_to(kernel: Kernel) -> None:
    def writing(data: Any) -> Signals:
        data.events("turns.peaks").rows[0] = 0
        return Signals.none()

    made = strategy_doing(writing, needs={"turns": indicator(Turns)})
    item = Item(STRATEGY, "made", made, PluginRecord("made", "acme", "1", "made"))
    with pytest.raises(Exception, match="cannot be written to"):
        StrategyStream(made(), item, IndicatorFactory(kernel)).advance(
            candles_from_close(random_walk(100)).columns
        )
