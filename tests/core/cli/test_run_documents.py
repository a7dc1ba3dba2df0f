"""`run` and `strategies` take a document of the user's wherever they take a strategy."""

from pathlib import Path
from typing import Any

import pytest

from cli_output import as_json
from stratkernel_config.documents import dump_json


@pytest.mark.usefixtures("mine")
def test_run_takes_a_documents_name_or_path_as_it_takes_a_strategy(
    stratkernel: Any, strategies: Path, candles: str
) -> None:
    stratkernel("config", "set", "my-ema", "fast_period=9")
    plain = ("--param", "fast_period=9", "--param", "slow_period=26")
    wanted = as_json(stratkernel("run", "ema_crossover", "--data", candles, "--json", *plain))
    for name in ("my-ema", str(strategies / "my-ema.json")):
        got = as_json(stratkernel("run", name, "--data", candles, "--json"))
        assert got["strategy"] == "my-ema"
        for key in ("parameters", "signals", "metrics", "config_hash"):
            assert got[key] == wanted[key]


@pytest.mark.usefixtures("mine")
def test_run_lets_flags_beat_the_document(stratkernel: Any, candles: str) -> None:
    stratkernel("config", "set", "my-ema", "--gaps", "reset", "--timeframe", "1h")
    got = as_json(stratkernel("run", "my-ema", "--data", candles, "--param", "fast_period=5", "--json"))
    assert (got["parameters"]["fast_period"], got["timeframe"]) == (5, "1h")
    same = as_json(
        stratkernel(
            "run", "my-ema", "--data", candles, "--param", "fast_period=5", "--json", "--gaps", "continue"
        )
    )
    assert same["config_hash"] != got["config_hash"]  # the gap rule is part of it


def test_strategies_takes_a_documents_name_and_shows_what_it_runs(stratkernel: Any, strategies: Path) -> None:
    assert stratkernel("config", "new", "mine", "--template", "rsi-reversal").code == 0
    shown = stratkernel("strategies", "mine")
    assert shown.code == 0
    assert shown.out.startswith("rsi  (stratkernel-rsi ")
    assert "--param period=14" in shown.out


@pytest.mark.usefixtures("mine")
def test_run_of_an_unknown_name_suggests_documents_too(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("run", "my-emb", "--data", candles)
    assert outcome.code == 2
    assert "Did you mean 'my-ema'? Your documents: my-ema." in outcome.err


def test_run_of_a_document_that_is_not_valid_says_everything(
    stratkernel: Any, strategies: Path, candles: str
) -> None:
    strategies.mkdir(parents=True)
    raw = {"schema_version": 2, "name": "bad", "strategy": "rsi", "parameters": {"period": 0}, "tags": 1}
    (strategies / "bad.json").write_bytes(dump_json(raw))
    outcome = stratkernel("run", "bad", "--data", candles)
    assert outcome.code == 2
    assert "$.parameters.period" in outcome.err
    assert "$.tags" in outcome.err


def test_run_of_a_name_that_is_both_asks_which(stratkernel: Any, strategies: Path, candles: str) -> None:
    strategies.mkdir(parents=True)
    raw = {"schema_version": 2, "name": "rsi", "strategy": "rsi"}
    (strategies / "rsi.json").write_bytes(dump_json(raw))
    outcome = stratkernel("run", "rsi", "--data", candles)
    assert outcome.code == 2
    assert "say 'stratkernel-rsi:rsi' or" in outcome.err
    assert as_json(stratkernel("run", "stratkernel-rsi:rsi", "--data", candles, "--json"))["candles"] == 600


def test_run_of_a_document_with_a_higher_timeframe_resamples_the_candles(
    stratkernel: Any, tmp_path: Path, candles: str
) -> None:
    parameters = {"trend_timeframe": "4h", "trend_period": 5}
    raw = {"schema_version": 2, "name": "x", "strategy": "rsi", "parameters": parameters}
    (tmp_path / "x.json").write_bytes(dump_json({**raw, "extra_timeframes": ["4h"]}))
    (tmp_path / "y.json").write_bytes(dump_json({**raw, "extra_timeframes": {"4h": "resampled"}}))
    one, other = (
        as_json(stratkernel("run", str(tmp_path / name), "--data", candles, "--json"))
        for name in ("x.json", "y.json")
    )
    plain = as_json(stratkernel("run", "rsi", "--data", candles, "--json"))
    assert one["config_hash"] == other["config_hash"] != plain["config_hash"]
    assert 0 < len(one["signals"]) < len(plain["signals"])


@pytest.mark.usefixtures("mine")
def test_run_over_candles_of_another_timeframe_says_whose_timeframe_it_is(
    stratkernel: Any, candles: str
) -> None:
    stratkernel("config", "set", "my-ema", "--timeframe", "1d")
    outcome = stratkernel("run", "my-ema", "--data", candles)
    assert outcome.code == 2
    assert "timeframe 1d is the document's; --timeframe beats it" in outcome.err
    assert "its candles are 1h, not 1d" in outcome.err
    assert stratkernel("run", "my-ema", "--data", candles, "--timeframe", "1h").code == 0
