"""Each built-in validator finds its fault, counts it, and says nothing of signals without it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stratkernel import Candles, Finding, Kernel, SignalFlag, SignalType, StrategyFactory, run_strategy
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.validator import RunContext, SignalValidator
from stratkernel.engine.validation import quality_score, rule_counts, run_validators, signal_statistics
from stratkernel.engine.validators import plugin
from stratkernel.testing.candles import candles_from_close, random_walk
from trading import made_candles, signal_table

IN, OUT = SignalType.ENTRY_LONG, SignalType.EXIT_LONG
SHORT, COVER = SignalType.ENTRY_SHORT, SignalType.EXIT_SHORT
VALIDATORS = {cls.name: cls for cls in plugin.stratkernel_signal_validators()}


@pytest.fixture
def candles() -> Candles:
    return made_candles([100.0 + (row % 5) for row in range(40)])


def found(
    name: str, candles: Candles, signals: SignalTable, context: RunContext | None = None
) -> list[Finding]:
    validator: SignalValidator = VALIDATORS[name]()
    validator.context = context or RunContext()
    return list(validator.validate(candles, signals))


def table(candles: Candles, *events: tuple[int, SignalType]) -> SignalTable:
    return signal_table(candles, events)


def changed(signals: SignalTable, **columns: Sequence[Any]) -> SignalTable:
    """Signals with some columns replaced, by value."""
    arrays = {n: np.array(c, dtype=getattr(signals, n).dtype) for n, c in columns.items()}
    return replace(signals, **arrays)


def one(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_plugin_gives_the_ten_built_in_validators() -> None:
    assert sorted(VALIDATORS) == [
        "confidence_range",
        "conflicting_directions",
        "duplicate",
        "during_warm_up",
        "entry_without_exit",
        "flip_flop",
        "out_of_order",
        "price_outside_candle",
        "repaired_candles",
        "stale",
    ]


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators_of_no_signals_and_of_no_candles_say_nothing(name: str, candles: Candles) -> None:
    assert found(name, candles, table(candles)) == []
    assert found(name, candles.slice(0, 0), table(candles)) == []


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators_of_ordinary_signals_say_nothing(name: str, candles: Candles) -> None:
    signals = table(candles, (3, IN), (9, OUT), (15, IN), (21, OUT), (30, IN))
    assert found(name, candles, signals, RunContext(((2, 40),))) == []


def test_out_of_order_counts_those_that_come_after_a_later_one(candles: Candles) -> None:
    signals = table(candles, (3, IN), (9, OUT), (15, IN), (21, OUT))
    shuffled = signals.select(np.array([0, 3, 1, 2]))
    finding = one(found("out_of_order", candles, shuffled))
    assert (finding.count, finding.row, finding.severity) == (2, 9, "error")
    assert "2 of 4 signals come after a later one, the first at 2023-11-25T" in finding.message


def test_duplicate_counts_the_second_of_one_time_and_type(candles: Candles) -> None:
    signals = table(candles, (3, IN), (9, OUT)).select(np.array([0, 0, 1, 1, 1]))
    assert one(found("duplicate", candles, signals)).count == 3


def test_during_warm_up_knows_what_the_run_evaluated(candles: Candles) -> None:
    signals = table(candles, (3, IN), (9, OUT), (15, IN), (21, OUT))
    assert found("during_warm_up", candles, signals) == []
    finding = one(found("during_warm_up", candles, signals, RunContext(((5, 15), (16, 40)))))
    assert (finding.count, finding.row) == (2, 3)


@pytest.mark.parametrize("price", [99.89, 1e9, float("nan"), float("inf"), -1.0])
def test_price_outside_candle_sees_prices_beyond_high_and_low(candles: Candles, price: float) -> None:
    signals = table(candles, (5, IN), (9, OUT))
    assert one(found("price_outside_candle", candles, changed(signals, price=[price, 104.0]))).count == 1


def test_price_outside_candle_sees_signals_of_no_candle(candles: Candles) -> None:
    signals = changed(table(candles, (5, IN), (9, OUT)), rows=[5, 4_000])
    finding = one(found("price_outside_candle", candles, signals))
    assert (finding.count, finding.row) == (1, None)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_confidence_range_sees_what_is_no_number_from_0_to_1(candles: Candles, confidence: float) -> None:
    signals = changed(table(candles, (5, IN), (9, OUT)), confidence=[confidence, 1.0])
    assert one(found("confidence_range", candles, signals)).row == 5


def test_entry_without_exit_counts_all_but_the_newest_entry(candles: Candles) -> None:
    signals = table(candles, (1, IN), (3, OUT), (5, IN), (7, IN), (9, SHORT), (11, SHORT), (13, IN))
    finding = one(found("entry_without_exit", candles, signals))
    assert (finding.count, finding.row) == (3, 5)
    assert found("entry_without_exit", candles, signals, RunContext(exits=True)) == []


def test_flip_flop_tolerates_a_turn_now_and_then(candles: Candles) -> None:
    steady = [(row, IN if row % 12 == 0 else OUT) for row in range(0, 36, 6)]
    assert found("flip_flop", candles, table(candles, *steady, (32, OUT))) == []
    nervous = [(row, IN if row % 2 == 0 else OUT) for row in range(20)]
    finding = one(found("flip_flop", candles, table(candles, *nervous)))
    assert (finding.count, finding.severity) == (19, "warning")


def test_conflicting_directions_counts_both_of_a_candle(candles: Candles) -> None:
    signals = table(candles, (3, IN), (3, SHORT), (9, OUT), (9, IN), (15, COVER), (15, IN))
    assert one(found("conflicting_directions", candles, signals)).count == 4


def test_stale_sees_a_price_that_stands_still() -> None:
    close = [100.0 + row for row in range(20)] + [120.0] * 20
    candles = made_candles(close, [*close[:1], *close[:-1]])
    signals = table(candles, (10, IN), (29, OUT), (30, IN), (39, OUT))
    finding = one(found("stale", candles, signals))
    assert (finding.count, finding.row) == (2, 30)


def test_repaired_candles_counts_signals_with_that_flag(candles: Candles) -> None:
    signals = changed(table(candles, (3, IN), (9, OUT)), flags=[SignalFlag.REPAIRED, SignalFlag.SETTLING])
    assert one(found("repaired_candles", candles, signals)).row == 3


def test_run_validators_hands_the_context_over_and_keeps_counts(candles: Candles) -> None:
    kernel = Kernel(discover=False)
    kernel.register(plugin, "validators")
    signals = table(candles, (3, IN), (9, OUT))
    findings, failures = run_validators(kernel, candles, signals, RunContext(((5, 40),)))
    assert failures == []
    assert rule_counts(findings) == {"during_warm_up": 1}


def test_run_of_a_shipped_strategy_has_nothing_in_its_form_to_find() -> None:
    own = Kernel()
    if "validators" not in {record.name for record in own.records}:
        own.register(plugin, "validators")
    candles = candles_from_close(random_walk(3_000, seed=5))
    strategy = StrategyFactory(own).create("ema_crossover", {"allow_short": True})
    quality = run_strategy(own, strategy, candles).quality
    wrong = {"out_of_order", "duplicate", "during_warm_up", "price_outside_candle", "confidence_range"}
    assert wrong.isdisjoint(quality["rules"])
    assert quality["score"] > 50


@pytest.mark.parametrize(
    ("findings", "score"),
    [
        ([], 100.0),
        ([Finding("a", "", "info", count=10)], 90.0),
        ([Finding("a", "", "warning", count=2)], 90.0),
        ([Finding("a", "", "error", count=1)], 45.0),
        ([Finding("a", "", "error", count=5), Finding("b", "", "warning", count=10)], 0.0),
        ([Finding("a", "", "warning", count=500)], 50.0),
    ],
)
def test_quality_score_subtracts_by_severity_and_share(findings: list[Finding], score: float) -> None:
    assert quality_score(findings, 10) == score


def test_quality_score_without_signals_is_undefined() -> None:
    assert quality_score([], 0) is None


def test_signal_statistics_tells_rate_spacing_and_coverage(candles: Candles) -> None:
    signals = table(candles, (3, IN), (3, COVER), (9, OUT), (11, IN))
    assert signal_statistics(signals, 20, 40) == {
        "per_1000": 200.0,
        "spacing": {"least": 2, "median": 4.0},
        "coverage": 0.5,
    }
    assert signal_statistics(table(candles), 0, 0) == {
        "per_1000": None,
        "spacing": {"least": None, "median": None},
        "coverage": None,
    }
