"""The worked example that can be checked by hand: seven daily marks, five trades."""

import pytest

from stratkernel import SignalType
from stratkernel.contracts.calendars import Calendar
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.performance import Costs, Performance, evaluate
from trading import made_candles, signal_table

EQUITY = [1000, 1100, 990, 1089, 1089, 980.10, 1078.11]
PNL = [100, -110, 99, -108.90, 98.01]
IN, OUT = SignalType.ENTRY_LONG, SignalType.EXIT_LONG
HELD_FROM, HELD_TO = (0, 1, 2, 4, 5), (1, 2, 3, 5, 6)


def example(calendar: Calendar = Calendar.ALWAYS) -> Performance:
    candles = made_candles([value / 10 for value in EQUITY], calendar=calendar)
    events = [(row, IN) for row in HELD_FROM] + [(row, OUT) for row in HELD_TO]
    return evaluate(candles, signal_table(candles, events), Costs(fill="close", initial_capital=1_000))


@pytest.fixture(scope="module")
def done() -> Performance:
    return example()


def test_example_gives_the_equity_and_the_five_trades(done: Performance) -> None:
    assert done.equity.tolist() == pytest.approx(EQUITY, rel=1e-14)
    assert done.trades.pnl.tolist() == pytest.approx(PNL, rel=1e-12)
    assert done.trades.net_return.tolist() == pytest.approx([0.1, -0.1, 0.1, -0.1, 0.1], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "value", "digits"),
    [
        ("total_return", 0.07811, 1e-12),
        ("cagr", 96.051821, 5e-7),
        ("volatility", 0.0983192 * 365**0.5, 5e-7),
        ("sharpe", 3.2385963, 5e-8),
        ("sortino", 5.5151307, 5e-8),
        ("max_drawdown", -0.109, 1e-12),
        ("calmar", 881.20937, 5e-6),
        ("exposure", 5 / 6, 1e-15),
        ("trades", 5, 0),
        ("win_rate", 0.6, 1e-15),
        ("profit_factor", 1.3568296, 5e-8),
        ("expectancy", 15.622, 1e-11),
        ("payoff_ratio", 0.9045531, 5e-8),
    ],
)
def test_example_gives_each_metric_to_the_last_digit(
    done: Performance, name: str, value: float, digits: float
) -> None:
    assert done.metrics[name] == pytest.approx(value, rel=0, abs=max(digits * 1.01, 1e-15))


def test_example_gives_two_percent_a_trade(done: Performance) -> None:
    assert done.mean_trade_return == pytest.approx(0.02, rel=1e-12)


def test_metrics_come_in_the_published_order_as_plain_numbers(done: Performance) -> None:
    assert tuple(done.metrics) == METRICS
    assert {type(value) for value in done.metrics.values()} <= {int, float, type(None)}
    assert type(done.metrics["trades"]) is int


@pytest.mark.parametrize(
    ("calendar", "per_year", "sharpe"),
    [
        (Calendar.ALWAYS, 365, 3.2385963),
        (Calendar.SESSIONS, 252, 2.6909811),
        (Calendar.WEEKDAYS, 260, 2.7333614),
    ],
)
def test_example_is_annualised_by_its_calendar(calendar: Calendar, per_year: int, sharpe: float) -> None:
    done = example(calendar)
    assert done.days_per_year == per_year
    assert done.metrics["sharpe"] == pytest.approx(sharpe, abs=5.1e-8)
