"""`stratkernel run`, `demo` and `strategies` as a user meets them, with good input and bad."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stratkernel.cli import main
from stratkernel.kernel.kinds import STRATEGY
from stratkernel.testing.candles import candles_from_close, random_walk

KEYS = [
    "strategy",
    "parameters",
    "symbol",
    "timeframe",
    "candles",
    "data_hash",
    "signals",
    "trades",
    "metrics",
]
METRICS = [
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar", "exposure", "trades",
    "win_rate", "profit_factor", "expectancy", "payoff_ratio", "signal_accuracy",
]  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATKERNEL_HOME", str(tmp_path))
    candles_from_close(random_walk(600, seed=2)).frame.to_csv("candles.csv")
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["run", *arguments])
        return code, *capsys.readouterr()

    return call


def document(run: Run, *arguments: str) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    loaded: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)  # noqa: TID251 - the program's output
    return loaded


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from numbers(inner)


def test_run_json_has_the_documented_keys_and_no_nan(run: Run) -> None:
    printed = document(
        run, "ema_crossover", "--data", "candles.csv", "--symbol", "A/B", "--param", "fast_period=5"
    )
    assert list(printed)[: len(KEYS)] == KEYS
    assert {"quality", "plugins"} <= set(printed)
    assert list(printed["metrics"]) == METRICS
    assert printed["symbol"] == "A/B"
    assert (
        printed["parameters"].items() >= {"fast_period": 5, "slow_period": 26, "allow_short": False}.items()
    )
    assert printed["candles"] == 600
    assert all(math.isfinite(number) for number in numbers(printed))
    signal = printed["signals"][0]
    assert {"timestamp", "type", "price", "confidence", "id"} <= set(signal)
    assert signal["timestamp"].endswith(":00:00Z")
    assert len({one["id"] for one in printed["signals"]}) == len(printed["signals"])


def test_run_metrics_without_trades_are_null(run: Run, folder: Path) -> None:
    candles_from_close(np.full(100, 5.0)).frame.to_csv("flat.csv")
    printed = document(run, "rsi", "--data", "flat.csv")
    assert printed["signals"] == printed["trades"] == []
    assert printed["metrics"]["sharpe"] is None
    assert printed["metrics"]["win_rate"] is None
    assert printed["quality"]["status"] == "no signals: the price never changes"


def test_run_twice_prints_the_same_to_the_byte(run: Run) -> None:
    one = run("macd", "--data", "candles.csv", "--json")
    assert one == run("macd", "--data", "candles.csv", "--json")


def test_run_range_is_inclusive_then_exclusive(run: Run) -> None:
    whole = document(run, "macd", "--data", "candles.csv")
    days = ("--from", "2023-11-20", "--to", "2023-11-25")
    part = document(run, "macd", "--data", "candles.csv", *days)
    assert part["candles"] == 120
    inside = [
        s["id"] for s in whole["signals"] if "2023-11-20T00:00:00Z" < s["timestamp"] <= "2023-11-25T00:00:00Z"
    ]
    assert [s["id"] for s in part["signals"]] == inside


def test_run_costs_and_fill_change_trades_and_never_signals(run: Run) -> None:
    free = document(run, "macd", "--data", "candles.csv")
    dear = document(
        run, "macd", "--data", "candles.csv", "--fee-bps", "50", "--slippage-bps", "20", "--fill", "close"
    )
    assert dear["signals"] == free["signals"]
    assert dear["metrics"]["total_return"] < free["metrics"]["total_return"]
    assert dear["trades"][0]["entry_time"] == free["signals"][0]["timestamp"]


def test_run_same_candles_in_every_format_give_the_same_signals(run: Run, folder: Path) -> None:
    frame = candles_from_close(random_walk(600, seed=2)).frame
    frame.to_parquet("candles.parquet")
    frame.reset_index().to_feather("candles.feather")
    frame.to_csv("candles.csv.gz")
    ids = [
        [s["id"] for s in document(run, "macd", "--data", name, "--symbol", "S")["signals"]]
        for name in ("candles.csv", "candles.csv.gz", "candles.parquet", "candles.feather")
    ]
    assert ids[0]
    assert all(one == ids[0] for one in ids)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_run_signals_out_writes_the_printed_signals(run: Run, folder: Path, suffix: str) -> None:
    printed = document(run, "macd", "--data", "candles.csv", "--signals-out", f"signals{suffix}")
    path = folder / f"signals{suffix}"
    frame = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert frame["id"].tolist() == [s["id"] for s in printed["signals"]]
    assert frame["price"].tolist() == [s["price"] for s in printed["signals"]]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_run_report_for_readers_names_what_ran(run: Run) -> None:
    code, out, err = run("rsi", "--data", "candles.csv", "--param", "period=7")
    assert code == 0
    assert "rsi (period=7" in out
    assert "max drawdown" in out
    assert "inferred" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["emacrossover", "--data", "candles.csv"], 2, "Did you mean 'ema_crossover'?"),
        (["rsi"], 2, "say --data FILE, or --symbol"),
        (["rsi", "--data", "none.csv"], 2, "no file 'none.csv'"),
        (["rsi", "--data", "candles.xlsx"], 2, "no source reads candles.xlsx; expected one of: .csv"),
        (["rsi", "--data", "."], 2, "no source reads ."),
        (["rsi", "--data", "empty.csv"], 1, "the file is empty"),
        (["rsi", "--data", "header.csv"], 1, "header.csv"),
        (["rsi", "--data", "wrong.csv"], 1, "expected an open time"),
        (["rsi", "--data", "naive.csv"], 2, "--tz"),
        (["rsi", "--data", "few.csv"], 1, "its first signal needs 15 candles in a row, the run has 10"),
        (["rsi", "--data", "bad.csv"], 1, "--bad-candles"),
        (["rsi", "--data", "candles.csv", "--param", "period"], 2, "expected NAME=VALUE"),
        (["rsi", "--data", "candles.csv", "--param", "period=0"], 2, "parameter 'period'"),
        (["rsi", "--data", "candles.csv", "--param", "period=3", "--param", "period=4"], 2, "given twice"),
        (["rsi", "--data", "candles.csv", "--param", "perod=3"], 2, "Did you mean 'period'?"),
        (["rsi", "--data", "candles.csv", "--param", "oversold=90"], 2, "must be smaller than overbought"),
        (["rsi", "--data", "candles.csv", "--timeframe", "4h"], 2, "its candles are 1h, not 4h"),
        (["rsi", "--data", "candles.csv", "--timeframe", "1hour"], 2, "unknown timeframe"),
        (["rsi", "--data", "candles.csv", "--from", "soon"], 2, "expected a date"),
        (["rsi", "--data", "candles.csv", "--from", "2024-01-01T10:00:00"], 2, "names no time zone"),
        (
            ["rsi", "--data", "candles.csv", "--from", "2030-01-01"],
            1,
            "no candle of candles lies in the range",
        ),
        (["rsi", "--data", "candles.csv", "--origin", "2030-01-01"], 1, "after the origin"),
        (["rsi", "--data", "candles.csv", "--max-gap", "-1"], 2, "max_gap"),
        (["rsi", "--data", "candles.csv", "--fee-bps", "-1"], 2, "fee_bps"),
        (["rsi", "--data", "candles.csv", "--initial-capital", "0"], 2, "initial_capital"),
        (["rsi", "--data", "candles.csv", "--initial-capital", "nan"], 2, "initial_capital"),
        (
            ["rsi", "--data", "candles.csv", "--signals-out", "out.xls"],
            2,
            "expected a file that ends in .csv",
        ),
        (["rsi", "--data", "candles.csv", "--signals-out", "no/out.csv"], 2, "there is no folder no"),
        (["rsi", "--data", "candles.csv", "--symbol"], 2, "expected one argument"),
    ],
)
def test_run_bad_input_is_one_message_without_a_traceback(
    run: Run, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("open_time,open,high,low,close,volume\n")
    (folder / "wrong.csv").write_text("a,b\n1,2\n")
    (folder / "naive.csv").write_text("timestamp,open,high,low,close,volume\n2024-01-01 10:00,1,1,1,1,1\n")
    lines = (folder / "candles.csv").read_text().splitlines()
    (folder / "few.csv").write_text("\n".join(lines[:11]))
    (folder / "bad.csv").write_text(
        "\n".join([*lines[:40], lines[40].replace(",10.0", ",-1.0"), *lines[41:]])
    )
    found, out, err = run(*arguments)
    assert (found, out) == (code, ""), err
    assert message in err
    assert "Traceback" not in err
    assert not (folder / "out.csv").exists()


def test_run_takes_every_flag_of_the_candle_file(run: Run, folder: Path) -> None:
    lines = (folder / "candles.csv").read_text().splitlines()
    rows = [line.partition("+00:00")[0] + ",1" + line.partition("+00:00")[2] for line in lines[:0:-1]]
    header = "Date,Adj Close,Open,High,Low,Close,Volume"
    (folder / "odd.csv").write_text("\n".join([header, *(row.replace(",1,", ",100,", 1) for row in rows)]))
    flags = (
        "--symbol A/B --timeframe 1h --venue acme --tz Europe/Berlin --order newest-first --adjusted "
        "--calendar 24x7 --no-omits-empty --layout ohlcv --bad-candles repair --gaps reset --max-gap 2"
    )
    printed = document(run, "macd", "--data", "odd.csv", *flags.split())
    assert printed["candles"] == 600
    notes = " ".join(printed["quality"]["candles"]["admission"]["notes"])
    for word in ("newest first", "Europe/Berlin", "Adj Close"):
        assert word in notes


@pytest.mark.parametrize("symbol", ["[/x]", "[red]A", "=cmd()", "<b>"])
def test_run_report_prints_a_symbol_as_it_is(run: Run, symbol: str) -> None:
    code, out, _ = run("macd", "--data", "candles.csv", "--symbol", symbol)
    assert code == 0
    assert f"on {symbol} 1h" in out


def test_run_report_notes_what_to_know_of_the_numbers(run: Run, folder: Path) -> None:
    lines = (folder / "candles.csv").read_text().splitlines()
    (folder / "gapped.csv").write_text("\n".join([*lines[:100], *lines[110:]]))
    _, out, _ = run("macd", "--data", "gapped.csv", "--fill", "close")
    assert "note: 10 candles are missing, in 1 gaps" in out
    assert "note: fill: optimistic" in out


def test_run_failing_write_leaves_the_old_file(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "signals.csv").write_text("old")

    def fail(self: pd.DataFrame, *_: Any, **__: Any) -> None:
        Path(_[0]).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    code, _, err = run("macd", "--data", "candles.csv", "--signals-out", "signals.csv")
    assert code == 1
    assert "No space left" in err
    assert (folder / "signals.csv").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == ["candles.csv", "signals.csv"]


def test_run_verbose_shows_the_traceback(run: Run) -> None:
    _, _, err = run("rsi", "--data", "candles.csv", "--param", "period=0", "-v")
    assert "Traceback" in err


def test_run_repaired_candles_are_marked_and_reported(run: Run, folder: Path) -> None:
    lines = (folder / "candles.csv").read_text().splitlines()
    lines[50] = lines[50].replace(",10.0", ",-1.0")
    (folder / "bad.csv").write_text("\n".join(lines))
    printed = document(run, "macd", "--data", "bad.csv", "--bad-candles", "repair")
    assert printed["candles"] == 599
    admission = printed["quality"]["candles"]["admission"]
    assert admission["dropped"] == 1
    assert printed["quality"]["candles"]["missing"] == 1


def test_demo_compares_every_strategy_on_every_symbol(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--no-save"]) == 0
    out = capsys.readouterr().out
    for word in ("AAPL", "IBM", "MSFT", "ema_crossover", "macd", "rsi"):
        assert out.count(word) >= 3
    assert "9 runs over 9,810 candles" in out
    assert "What to type next" in out


def test_demo_candles_are_adjusted_so_that_splits_are_no_crashes(kernel: Any) -> None:
    from stratkernel.cli.demo import load_demo_candles

    for candles in load_demo_candles(kernel):
        close = candles.columns.close
        assert len(close) == 3_270
        assert np.abs(close[1:] / close[:-1] - 1).max() < 0.6
        assert candles.calendar == "sessions"


def test_strategies_lists_parameters_with_defaults_and_bounds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["strategies", "rsi"]) == 0
    out = capsys.readouterr().out
    assert "--param period=14" in out
    assert ">= 1" in out
    assert main(["strategies", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)  # noqa: TID251 - the program's output
    assert [one["name"] for one in listed] == ["ema_crossover", "macd", "rsi"]
    assert listed[0]["parameters"]["properties"]["fast_period"]["default"] == 12


def test_strategies_says_which_recalculate_the_whole_history(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kernel: Any
) -> None:
    monkeypatch.setattr(kernel.resolve(STRATEGY, "rsi").cls, "window", None)
    assert main(["strategies", "rsi"]) == 0
    assert "recalculates the whole history" in capsys.readouterr().out
