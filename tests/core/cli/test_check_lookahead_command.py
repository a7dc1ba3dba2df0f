"""`stratkernel check-lookahead` as a user meets it, and the flags of exit rules."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from stratkernel import UsageError
from stratkernel.cli.exit_arguments import add_exit_arguments, exit_rules_of
from stratkernel.testing import fake_distribution

LEAKY = """
from stratkernel import BaseStrategy, Signals, SignalType, hookimpl

class Tomorrow(BaseStrategy):
    name = "tomorrow"

    def calculate(self, data):
        import numpy as np
        close = data["close"]
        return Signals.at(np.append(close[1:] > close[:-1], False), SignalType.ENTRY_LONG)

@hookimpl
def stratkernel_strategies():
    return [Tomorrow]
"""


@pytest.fixture
def leaky(packages: Path) -> None:
    fake_distribution(
        packages, "acme-leaky", "1.0", entry_points={"leaky": "acme_leaky"}, modules={"acme_leaky.py": LEAKY}
    )


def test_check_lookahead_of_a_shipped_strategy_ends_with_0(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("check-lookahead", "ema_crossover", "--data", candles)
    assert outcome.code == 0, outcome.err
    assert "ema_crossover on 600 candles:" in outcome.out
    assert "nothing found: no signal knew a later candle" in outcome.out
    assert "FOUND" not in outcome.out


@pytest.mark.usefixtures("leaky")
def test_check_lookahead_of_a_leak_ends_with_1_and_tells_it(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("check-lookahead", "tomorrow", "--data", candles)
    assert outcome.code == 1
    assert "FOUND strategy 'tomorrow'" in outcome.out
    assert "acme-leaky 1.0" in outcome.out
    assert "shift(-1)" in outcome.out
    assert "nothing found" not in outcome.out


@pytest.mark.usefixtures("leaky")
def test_check_lookahead_json_has_the_findings(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("check-lookahead", "tomorrow", "--data", candles, "--json")
    assert outcome.code == 1
    told = json.loads(outcome.out)  # noqa: TID251 - the program's output
    assert (told["honest"], told["candles"], told["strategy"]) == (False, 600, "tomorrow")
    (finding,) = told["findings"]
    assert list(finding) == ["check", "who", "column", "candle", "message", "cause"]
    assert (finding["check"], finding["column"]) == ("prefix", "signal")
    assert told["checked"]["prefix"] > 0
    assert told["seconds"] > 0


@pytest.mark.usefixtures("mine")
def test_check_lookahead_takes_documents_parameters_and_an_origin(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel(
        "check-lookahead", "my-ema", "--data", candles, "--timeframe", "1h", "--param", "fast_period=3",
        "--origin", "2023-11-20",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "my-ema on " in outcome.out
    assert "on 600 candles" not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody",), "unknown strategy 'nobody'"),
        (("rsi", "--param", "period=0"), "period"),
        (("rsi", "--origin", "soon"), "--origin 'soon'"),
        (("rsi", "--origin", "2090-01-01"), "at or after the origin"),
    ],
)
def test_check_lookahead_of_bad_input_is_one_message(
    stratkernel: Any, candles: str, arguments: tuple[str, ...], says: str
) -> None:
    outcome = stratkernel("check-lookahead", *arguments, "--data", candles)
    assert outcome.code in {1, 2}
    assert says in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def rules(*flags: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_exit_arguments(parser)
    return exit_rules_of(parser.parse_args(flags), document).to_dict()


def test_exit_flags_read_percent_fractions_and_counts() -> None:
    flags = ("--stop-loss", "2%", "--take-profit", "0.05", "--trailing-stop=3.5 %", "--max-bars", "48")
    assert rules(*flags) == pytest.approx(
        {"stop_loss": 0.02, "take_profit": 0.05, "trailing_stop": 0.035, "max_bars": 48}
    )
    assert rules() == {}


def test_exit_flags_beat_the_document_and_none_takes_its_rule_away() -> None:
    document = {"stop_loss": 0.1, "take_profit": 0.2, "trailing_stop": None, "max_bars": 5}
    assert rules("--stop-loss", "2%", "--max-bars", "none", document=document) == {
        "stop_loss": 0.02,
        "take_profit": 0.2,
    }


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--stop-loss", "two"), "--stop-loss: expected a percentage as 2% or a fraction as 0.02, got 'two'"),
        (("--stop-loss", "2"), "2 % is 0.02"),
        (("--stop-loss", "100%"), "below 1"),
        (("--take-profit", "0%"), "above 0"),
        (("--max-bars", "1.5"), "--max-bars: expected a whole number of candles, got '1.5'"),
        (("--max-bars", "0"), "from 1 to 1,000,000"),
    ],
)
def test_exit_flags_out_of_bounds_are_usage_errors(flags: tuple[str, str], says: str) -> None:
    with pytest.raises(UsageError) as error:
        rules(*flags)
    assert says in str(error.value)
