"""Windows of a walk-forward, and their tests as one account."""

from itertools import pairwise

import numpy as np
import pytest

from stratkernel import Candles, SignalType, UsageError
from stratkernel.contracts.timeframes import DAY
from stratkernel.engine.performance import Performance, evaluate
from stratkernel.engine.walk_forward import WalkForward, daily_returns_of, stitch
from stratkernel.testing.candles import candles_from_close, random_walk
from trading import made_candles, signal_table

HOUR = DAY // 24
MIDNIGHT = 1_700_006_400_000_000


def hourly(days: float, start: int = MIDNIGHT) -> Candles:
    return candles_from_close(random_walk(int(days * 24), 1), timeframe="1h", start=start)


@pytest.mark.parametrize(
    ("text", "train", "test"),
    [
        ("train=180d,test=30d", 180 * DAY, 30 * DAY),
        (" test=12h , train=2w", 14 * DAY, DAY // 2),
        ("train=90m,test=5m", 90 * HOUR // 60, 5 * HOUR // 60),
    ],
)
def test_walk_forward_text_says_lengths(text: str, train: int, test: int) -> None:
    assert WalkForward.parse(text) == WalkForward(train, test)


@pytest.mark.parametrize(
    "text",
    ["", "train=180d", "train=180,test=30d", "train=0d,test=1d", "train=1d,test=1d,test=2d",
     "train=1y,test=1d", "train=-1d,test=1d", "learn=1d,test=1d"],
)  # fmt: skip
def test_walk_forward_text_that_says_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="train=180d,test=30d"):
        WalkForward.parse(text)


def test_walk_forward_windows_follow_each_other_and_tests_do_not_overlap() -> None:
    windows = WalkForward(10 * DAY, 3 * DAY).windows(hourly(20))
    assert [window.train[0] - MIDNIGHT for window in windows] == [0, 3 * DAY, 6 * DAY]
    for window in windows:
        assert window.train[1] - window.train[0] == 10 * DAY
        assert window.test == (window.train[1], window.train[1] + 3 * DAY)
    assert all(a.test[1] == b.test[0] for a, b in pairwise(windows))


def test_walk_forward_windows_of_whole_days_begin_at_midnight() -> None:
    windows = WalkForward(4 * DAY, 2 * DAY).windows(hourly(12, MIDNIGHT + 5 * HOUR))
    assert windows[0].train[0] == MIDNIGHT
    hours = WalkForward(50 * HOUR, 10 * HOUR).windows(hourly(12, MIDNIGHT + 5 * HOUR))
    assert hours[0].train[0] == MIDNIGHT + 5 * HOUR


def test_walk_forward_longer_than_the_candles_is_refused_with_both_lengths() -> None:
    with pytest.raises(UsageError, match=r"train=180d,test=30d need 210d of candles; there are 20\.0 days"):
        WalkForward(180 * DAY, 30 * DAY).windows(hourly(20))


def test_walk_forward_of_too_many_windows_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 10,000"):
        WalkForward(HOUR, HOUR // 60).windows(hourly(20))


def test_walk_forward_window_without_candles_is_left_out() -> None:
    series = hourly(40)
    kept = np.flatnonzero(
        (series.open_time < MIDNIGHT + 10 * DAY) | (series.open_time >= MIDNIGHT + 22 * DAY)
    )
    holes = candles_from_close(series.columns.close[kept])
    with_hole = Candles(
        timeframe=series.timeframe,
        open_time=series.open_time[kept],
        columns=type(series.columns)(
            {name: series.columns[name][kept] for name in series.columns.names}, series.close_time[kept]
        ),
        symbol=holes.symbol,
        calendar=holes.calendar,
    )
    windows = WalkForward(4 * DAY, 2 * DAY).windows(with_hole)
    whole = WalkForward(4 * DAY, 2 * DAY).windows(series)
    assert len(whole) == 18
    assert set(windows) < set(whole)
    assert all(window.test[1] - MIDNIGHT not in {12 * DAY, 14 * DAY} for window in windows)


def account(closes: list[float], events: list[tuple[int, SignalType]]) -> Performance:
    series = made_candles(closes)
    return evaluate(series, signal_table(series, events))


def test_stitched_tests_are_one_account_that_goes_on_with_what_it_has() -> None:
    first = account([100, 100, 110, 121], [(0, SignalType.ENTRY_LONG)])
    second = account([100, 100, 90, 90, 99], [(0, SignalType.ENTRY_LONG)])
    stitched = stitch([first, second])
    one, two = first.metrics["total_return"], second.metrics["total_return"]
    assert one == pytest.approx(0.21)
    assert two == pytest.approx(-0.01)
    assert stitched.metrics["total_return"] == pytest.approx(1.21 * 0.99 - 1)
    assert stitched.metrics["max_drawdown"] == pytest.approx(-0.1)
    assert stitched.equity[-1] == pytest.approx(1.21 * 0.99)
    assert len(stitched.equity) == len(stitched.time) == 9
    assert stitched.metrics["trades"] == 0


def test_stitched_ratios_are_those_of_all_daily_returns() -> None:
    import empyrical  # type: ignore[import-untyped]

    first = account([100, 100, 110, 121, 117], [(0, SignalType.ENTRY_LONG), (3, SignalType.EXIT_LONG)])
    second = account([100, 101, 90, 93, 99], [(0, SignalType.ENTRY_LONG)])
    returns = np.concatenate([daily_returns_of(first), daily_returns_of(second)])
    stitched = stitch([first, second])
    assert stitched.metrics["sharpe"] == pytest.approx(
        empyrical.sharpe_ratio(returns, annualization=365), rel=1e-9
    )
    assert stitched.metrics["sortino"] == pytest.approx(
        empyrical.sortino_ratio(returns, annualization=365), rel=1e-9
    )
    assert stitched.metrics["trades"] == 1


def test_stitched_single_test_has_the_metrics_of_its_performance() -> None:
    alone = account([100, 100, 110, 121, 117, 125], [(0, SignalType.ENTRY_LONG), (3, SignalType.EXIT_LONG)])
    stitched = stitch([alone])
    for name, value in stitched.metrics.items():
        assert value == pytest.approx(alone.metrics[name]), name


def test_stitched_nothing_is_flat() -> None:
    stitched = stitch([])
    assert stitched.metrics["total_return"] == 0.0
    assert stitched.metrics["sharpe"] is None
    assert stitched.to_dict()["equity"] == []
