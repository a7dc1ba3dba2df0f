"""The checks of honesty: silent on the shipped strategies, loud on every planted one."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from made_strategies import fold_doing, strategy_doing
from planted.look_ahead import (
    IN_INDICATORS,
    LOOK_AHEAD,
    ON_FIVE_MINUTES,
    REACHES_BACK,
    SEEN_BY_PREFIXES,
    Dice,
    GlobalByIndex,
)
from plugin_modules import plugin_module
from stratkernel import (
    BaseIndicator,
    BaseStrategy,
    Candles,
    Kernel,
    Signals,
    SignalType,
    StrategyFactory,
    WindowIndicator,
    candles_from_frame,
    indicator,
    rolling,
    run_strategy,
)
from stratkernel.engine.gaps import GapRule
from stratkernel.engine.lookahead.checking import (
    LookaheadError,
    LookaheadReport,
    check_lookahead,
    refuse_lookahead,
    sample_lookahead,
)
from stratkernel.engine.lookahead.cuts import every_cut
from stratkernel.engine.run_setup import RunOptions
from stratkernel.testing.candles import candles_from_close, random_walk

STRATEGIES = ("ema_crossover", "macd", "rsi")
SHORT = {"ema_crossover": {"fast_period": 3, "slow_period": 8}, "macd": {}, "rsi": {"period": 5}}
EVERY_LEAK = tuple(dict.fromkeys([*LOOK_AHEAD, *REACHES_BACK, *ON_FIVE_MINUTES, *IN_INDICATORS]))


@pytest.fixture(scope="module")
def walk() -> Candles:
    return candles_from_close(random_walk(300, seed=3), timeframe="5m")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """What a strategy keeps outside itself is of one test."""
    yield
    GlobalByIndex.outside = np.empty(0)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Candles:
    """2,000 real candles of five minutes, an outage among them."""
    frame = pq.read_table(shared_data / "binance_BTCUSDT_5m.parquet").to_pandas().iloc[31_500:33_500]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    return candles_from_frame(frame, symbol="BTC/USDT", timeframe="5m")


def only(report: LookaheadReport) -> Any:
    (finding,) = report.findings
    return finding


@pytest.mark.parametrize("name", STRATEGIES)
def test_check_of_shipped_strategies_at_every_candle_finds_nothing(
    kernel: Kernel, real: Candles, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, {"allow_short": True})
    report = check_lookahead(kernel, strategy, real)
    assert report.findings == ()
    assert report.notes == ()
    assert report.checked["prefix"] > 3_900  # every one, of the indicators and of the strategy
    assert report.checked["window"] > 1_900
    assert {"poison", "chunk", "warm_up", "repeat"} < set(report.checked)


@pytest.mark.parametrize(("name", "timeframe"), list(zip(STRATEGIES, ("15m", "1h", "4h"), strict=True)))
def test_check_of_shipped_strategies_with_a_trend_filter_finds_nothing(
    kernel: Kernel, real: Candles, name: str, timeframe: str
) -> None:
    short = (
        {**SHORT[name], "slow_period": 5, "fast_period": 2, "signal_period": 3}
        if name == "macd"
        else SHORT[name]
    )
    strategy = StrategyFactory(kernel).create(name, {**short, "trend_timeframe": timeframe})
    part = real.slice(0, 1_000)
    assert len(run_strategy(kernel, strategy, part).signals) > 0
    assert check_lookahead(kernel, strategy, part).findings == ()
    assert sample_lookahead(kernel, strategy, real).findings == ()


def test_check_of_a_stranger_s_window_indicator_finds_nothing(
    repository: Path, real: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(repository / "examples" / "stratkernel-donchian")
    stranger = import_module("stratkernel_donchian")
    kernel = Kernel(discover=False)
    kernel.register(stranger, "donchian")
    strategy = StrategyFactory(kernel).create("donchian")
    report = check_lookahead(kernel, strategy, real.slice(0, 900))
    assert (report.findings, report.notes) == ((), ())
    assert report.checked["warm_up"] == 3


@pytest.mark.parametrize("name", STRATEGIES)
def test_sample_of_shipped_strategies_finds_nothing_and_looks_at_the_same_places(
    kernel: Kernel, real: Candles, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, SHORT[name])
    report = sample_lookahead(kernel, strategy, real)
    assert report.honest
    assert 5 < report.checked["prefix"] < 60
    assert report == sample_lookahead(kernel, strategy, real)


@pytest.mark.parametrize("planted", EVERY_LEAK, ids=lambda cls: cls.name)
def test_sample_finds_every_planted_leak(kernel: Kernel, planted: type[BaseStrategy[Any]]) -> None:
    long = candles_from_close(random_walk(3_000, seed=4), timeframe="5m")
    assert not sample_lookahead(kernel, planted(), long).honest


@pytest.mark.parametrize(
    ("planted", "column", "cause"),
    [
        ("tomorrows_close", "signal", "the next candle: shift(-1)"),
        ("next_return_memory", "signal", "the next candle: shift(-1)"),
        ("full_sample_score", "signal", "statistics over the whole sample"),
        ("highest_of_all", "signal", "statistics over the whole sample"),
        ("last_row", "signal", "statistics over the whole sample"),
        ("centred_mean", "signal", "the 2 candles after it: a centred window"),
        ("confirmed_peaks", "signal", "the 3 candles after it: a centred window, or peaks"),
        ("back_filled", "signal", "values filled backwards (bfill)"),
        ("future_confidence", "confidence", "the next candle"),
        ("future_metadata", "metadata 'target'", "the next candle"),
        ("merged_on_open_time", "signal", "a 1h candle before that closes: merged on open time"),
        ("resampled_to_the_left", "signal", "a 1h candle before that closes"),
        ("reads_hour", "output 'hour_in_indicator'", "a 1h candle before that closes"),
        ("reads_sample_score", "output 'score'", "statistics over the whole sample"),
        ("reads_centred", "output 'centred_indicator'", "the 2 candles after it"),
        ("reads_short_lookback", "output 'short_lookback'", "further back than its lookback"),
        ("global_by_index", "signal", "a global array, a cache or a file"),
        ("long_memory", "signal", "window = 20 would do here"),
        ("running_count", "signal", "counts candles or remembers a position"),
        ("remembered_position", "signal", "counts candles or remembers a position"),
        ("sample_maximum", "signal", "statistics over the whole sample"),
    ],
)
def test_finding_tells_the_column_and_the_likely_cause(
    kernel: Kernel, planted: str, column: str, cause: str
) -> None:
    (cls,) = (leak for leak in EVERY_LEAK if leak.name == planted)
    candles = candles_from_close(random_walk(450, seed=3), timeframe="5m")
    finding = only(check_lookahead(kernel, cls(), candles))
    assert IN_INDICATORS.get(cls, cls).name in finding.who
    assert finding.column == column
    assert cause in finding.cause


def test_finding_tells_the_first_candle_of_the_leak(kernel: Kernel) -> None:
    close = np.full(60, 100.0)
    close[40:] = 101.0  # the only rise: shift(-1) tells it one candle early
    candles = candles_from_close(close)
    planted = next(cls for cls in SEEN_BY_PREFIXES if cls.name == "tomorrows_close")
    finding = only(check_lookahead(kernel, planted(), candles))
    assert finding.candle == str(np.datetime64(int(candles.close_time[39]), "us").astype("M8[s]")) + "Z"
    assert "with only the first 40 candles known: ENTRY_LONG is missing" in finding.message


def test_check_of_random_signals_says_that_they_do_not_repeat(kernel: Kernel, walk: Candles) -> None:
    finding = only(check_lookahead(kernel, Dice(), walk))
    assert (finding.check, "random numbers" in finding.cause) == ("repeat", True)


class Scaled(WindowIndicator):
    """Exact, on values of another: the highest of three."""

    name = "scaled"
    inputs = ("line",)

    def lookback(self) -> int:
        return 2

    def calculate(self, columns: Any) -> Any:
        return rolling.max(columns["line"], 3)


class Clean(BaseStrategy):
    """A chain of indicators, a rise over a look back of three rows, a confidence and a figure."""

    name = "clean_chain"
    window = 3

    def get_required_indicators(self) -> Any:
        ema = indicator("ema", period=8)
        return {"ema": ema, "top": indicator(Scaled, on=ema), "rsi": indicator("rsi", period=5)}

    def calculate(self, data: Any) -> Signals:
        rises = np.zeros(len(data), dtype=bool)
        rises[2:] = (data["close"][2:] > data["top"][2:]) & (data["close"][:-2] < data["ema"][:-2])
        rows = np.flatnonzero(rises)
        sure = data["rsi"][rows] / 100
        return Signals(rows, SignalType.ENTRY_LONG, confidence=sure, metadata={"rsi": data["rsi"][rows]})


class HourOfDay(BaseStrategy):
    """Looks at the clock of its candles, which is known."""

    name = "hour_of_day"
    window = 1

    def calculate(self, data: Any) -> Signals:
        return Signals.at(data.close_time % 86_400_000_000 == 0, SignalType.ENTRY_LONG)


def _remember(data: Any, state: Any) -> tuple[Signals, dict[str, float]]:
    """Signals at new highs since the beginning."""
    top = float(state.get("top", 0.0))
    tops = np.maximum.accumulate(np.concatenate(([top], data["close"])))
    return Signals.at(data["close"] > tops[:-1], SignalType.ENTRY_LONG), {"top": float(tops[-1])}


NewHighs = fold_doing(_remember, name="new_highs")
WholeHistory = strategy_doing(
    lambda data: Signals.at(data["close"] > data["close"].mean(), SignalType.ENTRY_LONG),
    name="whole_history",
    window=None,
)
Silent = strategy_doing(lambda data: Signals.none(), name="silent")


@pytest.mark.parametrize(
    "clean", [Clean, HourOfDay, NewHighs, WholeHistory, Silent], ids=lambda cls: cls.name
)
def test_check_and_sample_of_clean_strategies_find_nothing(
    kernel: Kernel, walk: Candles, clean: type[BaseStrategy[Any]]
) -> None:
    assert check_lookahead(kernel, clean(), walk).findings == ()
    assert sample_lookahead(kernel, clean(), walk).findings == ()


def test_check_of_a_strategy_without_window_cuts_it_as_every_run_does(kernel: Kernel, walk: Candles) -> None:
    """It looks at all of its sample, and is given no more than the past at every candle."""
    report = check_lookahead(kernel, WholeHistory(), walk)
    assert report.honest
    assert "window" not in report.checked


def test_check_of_few_candles_finds_nothing_to_say(kernel: Kernel) -> None:
    strategy = StrategyFactory(kernel).create("macd", {})
    for rows in (1, 2, 20, 35, 40):
        report = check_lookahead(kernel, strategy, candles_from_close(random_walk(rows, seed=1)))
        assert report.honest
        assert sample_lookahead(kernel, strategy, candles_from_close(random_walk(rows, seed=1))).honest


def test_check_begins_at_the_origin_and_at_the_longest_stretch(kernel: Kernel, real: Candles) -> None:
    strategy = StrategyFactory(kernel).create("rsi", {})
    origin = int(real.open_time[1_500])
    report = check_lookahead(kernel, strategy, real, RunOptions(origin=origin, gaps=GapRule("reset")))
    assert report.candles <= 500
    assert report.honest


class Volumes(BaseIndicator):
    """Adds up the volumes since the first candle."""

    name = "volumes"
    inputs = ("volume",)

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> Any:
        return {"sum": 0.0}

    def advance(self, columns: Any, state: Any) -> Any:
        sums = np.cumsum(np.concatenate(([state["sum"]], columns["volume"])))
        return sums[1:], {"sum": float(sums[-1])}


class Adds(BaseStrategy):
    """Reads a running sum."""

    name = "adds"

    def get_required_indicators(self) -> Any:
        return {"sum": indicator(Volumes)}

    def calculate(self, data: Any) -> Signals:
        return Signals.none()


def test_check_notes_an_indicator_that_never_settles_and_finds_nothing(kernel: Kernel, walk: Candles) -> None:
    report = check_lookahead(kernel, Adds(), walk)
    assert report.honest
    assert len(report.notes) == 2
    assert "'volumes'" in report.notes[0]
    assert "still depends on where history began" in report.notes[0]
    assert "no signal comes of these candles" in report.notes[1]


def test_refuse_raises_what_was_found_and_how_to_look_closer(kernel: Kernel, walk: Candles) -> None:
    planted = next(cls for cls in SEEN_BY_PREFIXES if cls.name == "tomorrows_close")
    with pytest.raises(LookaheadError, match=r"(?s)shift\(-1\).*check-lookahead.*--no-check"):
        refuse_lookahead(kernel, planted(), walk)


def test_refuse_gives_the_report_of_an_honest_strategy(kernel: Kernel, walk: Candles) -> None:
    report = refuse_lookahead(kernel, Clean(), walk)
    assert report.honest
    told = report.to_dict()
    assert (told["honest"], told["findings"], told["strategy"]) == (True, [], "clean_chain")


def test_sample_leaves_the_signals_of_a_run_as_they_are(kernel: Kernel, walk: Candles) -> None:
    """It may keep nothing that a strategy object remembers."""
    own = Kernel(discover=False)
    own.register(plugin_module("h", stratkernel_strategies=lambda: [HourOfDay]), "h")
    strategy = HourOfDay()
    before = run_strategy(own, strategy, walk).signals.ids()
    sample_lookahead(own, strategy, walk)
    assert run_strategy(own, strategy, walk).signals.ids() == before


@pytest.mark.parametrize("rows", [1, 2, 1_999, 2_000, 2_001, 30_000, 1_000_000])
def test_every_cut_is_behind_each_row_up_to_2000_and_at_every_place_of_a_day_beyond(rows: int) -> None:
    cuts = every_cut(rows)
    assert cuts[: min(rows - 1, 2_000)] == list(range(1, min(rows, 2_001)))
    assert all(0 < cut < rows for cut in cuts)
    assert len(cuts) <= 2_300
    beyond = cuts[2_000:]
    if len(beyond) > 60:
        assert {cut % 12 for cut in beyond} == set(range(12))
        assert {cut % 60 for cut in beyond} == set(range(60))
