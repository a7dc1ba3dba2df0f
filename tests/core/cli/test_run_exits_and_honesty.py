"""What `run` does beyond signals: exit rules, a look for look-ahead, candles made of a lower timeframe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_candles import candle_file
from faulty_plugin import faulty_plugin
from stratkernel.testing.candles import candles_from_close
from stratkernel_config.documents import parse_json


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.chdir(tmp_path)


def document(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = parse_json(outcome.out.encode(), "stdout")
    return found


def test_run_exit_rules_leave_positions_and_change_ids_but_no_signal(
    stratkernel: Any, tmp_path: Path
) -> None:
    candle_file(tmp_path, "AAA", rows=400)
    command = ("run", "ema_crossover", "--data", "AAA.parquet", "--param", "fast_period=3", "--json")
    plain = document(stratkernel(*command))
    rules = ("--stop-loss", "2%", "--take-profit", "0.05", "--trailing-stop", "3%", "--max-bars", "6")
    left = document(stratkernel(*command, *rules))
    assert left["exits"] == {"stop_loss": 0.02, "take_profit": 0.05, "trailing_stop": 0.03, "max_bars": 6}
    assert left["config_hash"] != plain["config_hash"]
    assert {trade["exit_reason"] for trade in left["trades"]} >= {"stop_loss", "max_bars"}
    assert [(s["timestamp"], s["type"]) for s in left["signals"]] == [
        (s["timestamp"], s["type"]) for s in plain["signals"]
    ]


def test_run_exit_rules_of_a_document_are_beaten_by_flags(
    stratkernel: Any, tmp_path: Path, strategies: Path
) -> None:
    candle_file(tmp_path, "AAA")
    strategies.mkdir(parents=True)
    text = {
        "schema_version": 1,
        "name": "mine",
        "strategy": "rsi",
        "exits": {"stop_loss": 0.02, "max_bars": 3},
    }
    (strategies / "mine.json").write_text(json.dumps(text), encoding="utf-8")
    command = ("run", "mine", "--data", "AAA.parquet", "--json")
    assert document(stratkernel(*command))["exits"] == {"stop_loss": 0.02, "max_bars": 3}
    beaten = document(stratkernel(*command, "--stop-loss", "none", "--max-bars", "5"))
    assert beaten["exits"] == {"max_bars": 5}


@pytest.mark.parametrize("rule", [("--stop-loss", "2"), ("--max-bars", "0"), ("--trailing-stop", "far")])
def test_run_exit_rule_out_of_bounds_is_refused(
    stratkernel: Any, tmp_path: Path, rule: tuple[str, str]
) -> None:
    candle_file(tmp_path, "AAA")
    outcome = stratkernel("run", "rsi", "--data", "AAA.parquet", *rule)
    assert outcome.code == 2
    assert rule[0].removeprefix("--").replace("-", "_") in outcome.err.replace("-", "_")


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_run_of_a_strategy_that_looks_ahead_fails_and_saves_nothing_unless_nobody_looks(
    stratkernel: Any, tmp_path: Path, packages: Path, home: Path, stream: tuple[str, ...]
) -> None:
    faulty_plugin(packages)
    candle_file(tmp_path, "AAA")
    command = ("run", "peeks", "--data", "AAA.parquet", "--save", "--signals-out", "out.csv", *stream)
    outcome = stratkernel(*command)
    assert outcome.code == 1
    assert "peeks is not honest" in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "out.csv").exists()
    assert "no such runs" in stratkernel("runs", "list").out
    if not stream:  # a streamed strategy that looks ahead gives other signals, and may not run at all
        assert stratkernel(*command, "--no-check").code == 0


def test_run_timeframe_that_is_not_stored_is_made_of_a_lower_one(stratkernel: Any, tmp_path: Path) -> None:
    frame = candles_from_close(100 + np.sin(np.arange(1_200) / 9), timeframe="15m").frame
    frame.to_parquet("AAA.parquet")
    assert stratkernel("data", "import", "AAA.parquet").code == 0
    command = ("run", "rsi", "--symbol", "AAA", "--timeframe", "1h", "--param", "period=3", "--json")
    made = stratkernel(*command)
    assert "AAA 1h is not stored; its candles are made of a lower timeframe" in made.err
    assert document(made)["timeframe"] == "1h"
    hours = frame.resample("1h").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    whole = hours[frame["close"].resample("1h").count() == 4]
    (tmp_path / "hours").mkdir()
    whole.to_parquet(tmp_path / "hours" / "AAA.parquet")
    given = document(
        stratkernel("run", "rsi", "--data", "hours/AAA.parquet", "--param", "period=3", "--json")
    )
    made_times = [s["timestamp"] for s in document(made)["signals"]]
    assert made_times
    assert set(made_times) & {s["timestamp"] for s in given["signals"]}


def test_runs_show_tells_the_quality(stratkernel: Any, tmp_path: Path) -> None:
    candle_file(tmp_path, "AAA", rows=400)
    command = ("run", "ema_crossover", "--data", "AAA.parquet", "--param", "fast_period=3", "--save")
    assert stratkernel(*command).code == 0
    shown = stratkernel("runs", "show", "last").out
    for text in ("quality", "score ", "per 1,000 candles", "accuracy after 12", "base rate", "p-value"):
        assert text in shown
