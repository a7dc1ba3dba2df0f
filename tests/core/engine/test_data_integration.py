"""The integrator: candles of every timeframe from files and storage, made where they are missing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from higher_timeframes import MONDAY, walk, watching, without
from stratkernel import (
    Candles,
    GapRule,
    IndicatorFactory,
    Kernel,
    RunOptions,
    SourceRequest,
    Storage,
    StrategyFactory,
    StrategyResult,
    Timeframe,
    UnknownNameError,
    UsageError,
    open_storage,
    run_strategy,
)
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.stored import Series
from stratkernel.contracts.timeframes import HOUR, MINUTE
from stratkernel.engine.data_integration import StrategyDataIntegrator
from stratkernel.engine.indicator_cache import IndicatorCache
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.engine.timeframes.resampling import resample_candles

FIVE = Series("TEST", "5m")


@pytest.fixture(scope="module")
def candles() -> Candles:
    return walk(12 * 24 * 10, "5m")


@pytest.fixture
def storage(kernel: Kernel, tmp_path: Path) -> Iterator[Storage]:
    with open_storage(kernel, f"sqlite:///{tmp_path / 'candles.db'}") as opened:
        yield opened


def same(one: StrategyResult, other: StrategyResult) -> bool:
    return (
        one.signals.ids() == other.signals.ids()
        and one.signals.confidence.tobytes() == other.signals.confidence.tobytes()
        and one.signals.flags.tobytes() == other.signals.flags.tobytes()
        and one.data_hash == other.data_hash
    )


def dearer(candles: Candles, by: float = 1.0) -> Candles:
    """A venue's own candles: the same times, other numbers."""
    arrays = {name: candles.columns[name] + by for name in CANDLE_COLUMNS}
    return replace(candles, columns=candle_columns(arrays, candles.close_time), marked=None)


def test_integrator_over_given_candles_gives_what_run_strategy_gives(
    kernel: Kernel, candles: Candles
) -> None:
    strategy = trend(kernel)
    result = StrategyDataIntegrator(kernel).run(strategy, candles)
    assert same(result, run_strategy(kernel, strategy, candles))
    assert len(result.signals) > 20
    assert result.run.extra_timeframes == {"1h": "resampled"}
    assert result.quality["status"] == "ok"
    assert set(result.timings) == {"loading", "signals", "validation"}


def test_integrator_loads_a_file_through_its_source(kernel: Kernel, candles: Candles, tmp_path: Path) -> None:
    path = tmp_path / "TEST-5m.csv"
    candles.frame.reset_index().rename(columns={"open_time": "timestamp"}).to_csv(path, index=False)
    request = SourceRequest(str(path), symbol="TEST", timeframe="5m")
    result = StrategyDataIntegrator(kernel).run(trend(kernel), request)
    assert same(result, run_strategy(kernel, trend(kernel), candles))


def test_integrator_reads_a_stored_series(kernel: Kernel, candles: Candles, storage: Storage) -> None:
    storage.candles.write(candles)
    result = StrategyDataIntegrator(kernel, storage=storage).run(trend(kernel), FIVE)
    assert same(result, run_strategy(kernel, trend(kernel), candles))


def test_integrator_resamples_a_missing_series_from_the_nearest_lower_one(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    storage.candles.write(candles)
    quarters = resample_candles(candles, Timeframe("15m"))
    storage.candles.write(quarters)
    storage.candles.write(resample_candles(candles, Timeframe("4h")))
    found = StrategyDataIntegrator(kernel, storage=storage).candles(Series("TEST", "1h"))
    assert found.data_hash == resample_candles(quarters, Timeframe("1h")).data_hash
    assert found.timeframe.name == "1h"


def test_integrator_prefers_a_stored_series_to_a_resampled_one(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    storage.candles.write(candles)
    storage.candles.write(hours)
    found = StrategyDataIntegrator(kernel, storage=storage).candles(Series("TEST", "1h"))
    assert found.data_hash == hours.data_hash


def test_integrator_marks_candles_that_it_made_and_that_lack_some(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    storage.candles.write(without(candles, [500]))
    found = StrategyDataIntegrator(kernel, storage=storage).candles(Series("TEST", "1h"))
    assert found.marked is not None
    assert np.flatnonzero(found.marked).tolist() == [500 // 12]


def test_integrator_asked_for_what_is_not_stored_says_what_is(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    storage.candles.write(candles)
    integrator = StrategyDataIntegrator(kernel, storage=storage)
    with pytest.raises(UnknownNameError, match="TEST 5m"):
        integrator.candles(Series("TEST", "1m"))  # nothing lower to make it of
    with pytest.raises(UnknownNameError, match="OTHER"):
        integrator.candles(Series("OTHER", "5m"))


def test_integrator_without_a_storage_says_that_it_needs_one(kernel: Kernel) -> None:
    with pytest.raises(UsageError, match="TEST 5m are asked for by name; give the integrator a storage"):
        StrategyDataIntegrator(kernel).candles(FIVE)


def test_venue_candles_are_read_beside_the_stored_series_and_change_the_ids(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    storage.candles.write(candles)
    storage.candles.write(hours)
    integrator = StrategyDataIntegrator(kernel, storage=storage)
    options = RunOptions(extra_timeframes={"1h": "venue", "1d": "venue"})
    own = integrator.run(watching("1h")(), FIVE, options)
    made = integrator.run(watching("1h")(), FIVE)
    assert own.run.extra_timeframes == {"1h": "venue"}  # no day is read, so it decides nothing
    assert own.run.config_hash != made.run.config_hash
    assert own.data_hash != made.data_hash
    np.testing.assert_array_equal(own.signals.metadata["close_1h"], made.signals.metadata["close_1h"] + 1.0)


def test_venue_candles_that_are_missing_are_no_reason_to_make_them(
    kernel: Kernel, candles: Candles, storage: Storage
) -> None:
    storage.candles.write(candles)
    options = RunOptions(extra_timeframes={"1h": "venue"})
    with pytest.raises(UnknownNameError, match="1h"):
        StrategyDataIntegrator(kernel, storage=storage).run(trend(kernel), FIVE, options)
    with pytest.raises(UsageError, match=r"the venue's own candles of 1h are asked for; say where they are"):
        StrategyDataIntegrator(kernel).run(trend(kernel), candles, options)


def test_venue_candles_of_another_timeframe_are_refused(kernel: Kernel, candles: Candles) -> None:
    options = RunOptions(extra_timeframes={"1h": "venue"})
    with pytest.raises(UsageError, match="candles of 1h that were given are candles of 5m"):
        run_strategy(kernel, trend(kernel), candles, options, venue_candles={"1h": candles})


def test_late_venue_candle_leaves_the_older_one_visible(kernel: Kernel, candles: Candles) -> None:
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    late = without(hours, [30])
    options = RunOptions(extra_timeframes={"1h": "venue"})
    integrator = StrategyDataIntegrator(kernel)
    signals = integrator.run(watching("1h")(), candles, options, venue_candles={"1h": late}).signals
    closes = dict(zip(signals.timestamp.tolist(), signals.metadata["close_1h"].tolist(), strict=True))
    for minutes in range(0, 60, 5):
        assert closes[MONDAY + 31 * HOUR + minutes * MINUTE] == hours.columns.close[29]
    assert closes[MONDAY + 32 * HOUR] == hours.columns.close[31]


def test_venue_candles_from_before_the_origin_are_not_seen(kernel: Kernel, candles: Candles) -> None:
    """As with resampled ones, all folds begin at the origin."""
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    options = RunOptions(extra_timeframes={"1h": "venue"}, origin=MONDAY + 50 * HOUR + 30 * MINUTE)
    signals = run_strategy(
        kernel, watching("1h", window=1)(), candles, options, venue_candles={"1h": hours}
    ).signals
    # the hours that open at 51, 52, 53 and 54 seed the slowest line
    assert signals.timestamp[0] == MONDAY + 55 * HOUR


def test_venue_candles_beyond_the_range_change_no_hash(kernel: Kernel, candles: Candles) -> None:
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    options = RunOptions(extra_timeframes={"1h": "venue"}, origin=MONDAY + 5 * HOUR, end=MONDAY + 100 * HOUR)
    one, other = (
        run_strategy(kernel, trend(kernel), candles, options, venue_candles={"1h": given})
        for given in (hours, hours.slice(3, 150))
    )
    assert same(one, other)
    assert len(one.signals) > 5


def test_venue_candles_given_as_they_close_are_seen_as_in_a_batch(kernel: Kernel, candles: Candles) -> None:
    hours = dearer(resample_candles(candles, Timeframe("1h")))
    batch = run_strategy(
        kernel,
        watching("1h", window=1)(),
        candles.slice(0, 400),
        RunOptions(extra_timeframes={"1h": "venue"}),
        venue_candles={"1h": hours},
    )
    plan = TimeframePlan.of(candles, {"1h": "venue"}, {"1h": hours.slice(0, 0)})
    strategy = watching("1h", window=1)()
    item = StrategyFactory(kernel).item(type(strategy))
    live = StrategyStream(strategy, item, IndicatorFactory(kernel), plan)
    seen = []
    for row in range(400):
        closed = np.flatnonzero(hours.close_time == candles.close_time[row])
        if len(closed):
            live.give("1h", hours.columns.slice(0, int(closed[0]) + 1))  # the earlier ones once more
        seen += (
            live.advance(candles.columns.slice(row, row + 1)).metadata.get("trend_1h", np.empty(0)).tolist()
        )
    assert seen == batch.signals.metadata["trend_1h"].tolist()
    with pytest.raises(UsageError, match="reads no candles of 4h that are the venue's own"):
        live.give("4h", hours.columns)


def test_cache_computes_each_node_once_for_many_strategies(kernel: Kernel, candles: Candles) -> None:
    cache = IndicatorCache()
    integrator = StrategyDataIntegrator(kernel, cache=cache)
    counts = []
    for period in (5, 7, 9):
        strategy = trend(kernel, fast_period=period)
        cached = integrator.run(strategy, candles)
        assert same(cached, run_strategy(kernel, strategy, candles))
        counts.append((cached.timings["cache_hits"], cached.timings["cache_misses"]))
    # fast, slow, crossing and the trend; then the slow one and the trend are there
    assert counts == [(0, 4), (2, 2), (2, 2)]
    again = integrator.run(trend(kernel, fast_period=9), candles)
    assert again.timings["cache_misses"] == 0
    assert (cache.counts.hits, cache.counts.misses) == (8, 8)


def test_cache_keeps_other_candles_gap_rules_and_sources_apart(kernel: Kernel, candles: Candles) -> None:
    holed = without(candles, [700, 701, 1500])
    hours = dearer(resample_candles(holed, Timeframe("1h")))
    integrator = StrategyDataIntegrator(kernel, cache=IndicatorCache())
    made = watching("1h")()
    venue = {"extra_timeframes": {"1h": "venue"}}
    variants: list[tuple[Candles, Mapping[str, Any], Mapping[str, Candles]]] = [
        (holed, {}, {}),
        (candles, {}, {}),
        (holed, {"gaps": GapRule("reset")}, {}),
        (holed, {"gaps": GapRule("fill")}, {}),
        (holed, {"origin": MONDAY + 3 * HOUR}, {}),
        (holed, venue, {"1h": hours}),
        (holed, venue, {"1h": dearer(hours)}),
    ]
    for _ in range(2):
        for given, options, own in variants:
            cached = integrator.run(made, given, RunOptions(**options), venue_candles=own)
            alone = run_strategy(kernel, made, given, RunOptions(**options), venue_candles=own)
            assert same(cached, alone)
            for name, column in alone.signals.metadata.items():
                np.testing.assert_array_equal(cached.signals.metadata[name], column)
    assert cached.timings["cache_misses"] == 0


def test_higher_timeframes_of_a_strategy_are_told_before_it_runs(kernel: Kernel) -> None:
    integrator = StrategyDataIntegrator(kernel)
    strategy = watching("1h", "4h")()
    assert integrator.higher_timeframes(strategy, Timeframe("5m")) == ("1h", "4h")
    assert integrator.higher_timeframes(strategy, Timeframe("1h")) == ("4h",)


def trend(kernel: Kernel, **params: Any) -> Any:
    given = {"fast_period": 5, "slow_period": 13, "trend_timeframe": "1h", "trend_period": 5} | params
    return StrategyFactory(kernel).create("ema_crossover", given)
