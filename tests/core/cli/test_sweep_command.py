"""`stratkernel sweep`: grids over one series, ranked, stored, stopped, killed, resumed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli_output import as_json
from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel_config.documents import parse_json

GRID = ("--grid", "fast_period=3,5", "--grid", "slow_period=4:20:4")


@pytest.fixture
def days(tmp_path: Path) -> str:
    """Four hundred days."""
    path = tmp_path / "days.csv"
    candles_from_close(random_walk(400, seed=4, volatility=0.03), timeframe="1d").frame.to_csv(path)
    return str(path)


def test_sweep_json_has_every_row_from_the_best_on(stratkernel: Any, candles: str) -> None:
    told = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json"))
    assert (told["combinations"], told["skipped"], told["failed"]) == (10, 1, 0)
    assert len(told["results"]) == 9
    assert all(set(row) == {"parameters", "metrics"} for row in told["results"])
    assert set(told["results"][0]["metrics"]) == {
        "total_return", "sharpe", "max_drawdown", "win_rate", "profit_factor", "trades",
    }  # fmt: skip
    ranked = [row["metrics"]["sharpe"] for row in told["results"]]
    assert ranked == sorted(ranked, reverse=True)
    assert "fast_period must be smaller than slow_period" in told["refusal"]
    assert told["best_of"]["trials"] == 9
    assert told["walk_forward"] is None
    assert (len(told["batch"]), len(told["hash"])) == (16, 64)


def test_sweep_row_equals_the_run_with_its_parameters_to_the_last_bit(stratkernel: Any, candles: str) -> None:
    (row,) = as_json(
        stratkernel(
            *("sweep", "ema_crossover", *GRID, "--data", candles, "--json", "--top", "1"),
            *("--fee-bps", "10", "--param", "allow_short=true"),
        )
    )["results"]
    given = [f"--param={name}={value}" for name, value in row["parameters"].items() if value is not None]
    alone = as_json(
        stratkernel("run", "ema_crossover", "--data", candles, *given, "--fee-bps", "10", "--json")
    )
    assert row["metrics"] == {name: alone["metrics"][name] for name in row["metrics"]}


@pytest.mark.parametrize("metric", ["total_return", "calmar", "trades", "volatility"])
def test_sweep_ranks_by_the_metric_and_shows_the_top(stratkernel: Any, candles: str, metric: str) -> None:
    told = as_json(
        stratkernel(
            "sweep", "ema_crossover", *GRID, "--data", candles, "--json", "--metric", metric, "--top", "3"
        )
    )
    assert len(told["results"]) == 3
    values = [row["metrics"][metric] for row in told["results"]]
    assert values == sorted(values, reverse=metric != "volatility")


def test_sweep_table_tells_the_best_the_skipped_and_what_the_best_is_worth(
    stratkernel: Any, candles: str
) -> None:
    outcome = stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--top", "2")
    assert outcome.code == 0
    assert "10 combinations: 9 measured, 1 skipped" in outcome.out
    assert "and 7 more" in outcome.out
    assert "skipped, for example" in outcome.out
    assert "the best of 9 trials has a Sharpe ratio of" in outcome.out
    assert "the best 2 are stored as runs of batch" in outcome.out


def test_sweep_of_luck_warns_with_the_numbers(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("sweep", "ema_crossover", *GRID, "--data", candles)
    (warning,) = [line for line in outcome.out.splitlines() if line.startswith("warning:")]
    assert "deflated Sharpe ratio 0." in warning
    assert "below 0.95" in warning
    assert "skewness" in warning


def test_sweep_stores_its_best_rows_with_signals_once(stratkernel: Any, database: str, candles: str) -> None:
    told = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json", "--top", "3"))
    assert len(told["runs"]) == 3
    stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--top", "3", "--force")
    runs = as_json(stratkernel("runs", "list", "--json"))
    listed = {run["run_id"]: run for run in (runs if isinstance(runs, list) else runs["runs"])}
    assert set(listed) == set(told["runs"])
    best = listed[told["runs"][0]]
    assert best["kind"] == "sweep"
    shown = as_json(stratkernel("runs", "show", told["runs"][0], "--json"))
    assert shown["metrics"]["sharpe"] == told["results"][0]["metrics"]["sharpe"]
    assert best["signals"] > 0


def test_sweep_no_save_leaves_the_database_alone(stratkernel: Any, home: Path, candles: str) -> None:
    outcome = stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--no-save")
    assert outcome.code == 0
    assert not list(home.rglob("*.db"))


def test_sweep_done_before_is_reused_and_said_to_be(stratkernel: Any, candles: str) -> None:
    first = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json"))
    again = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json"))
    assert (first["reused"], again["reused"]) == (False, True)
    assert {**again, "reused": False} == first
    table = stratkernel("sweep", "ema_crossover", *GRID, "--data", candles)
    assert "reused: computed before (--force computes it anew)" in table.out
    forced = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json", "--force"))
    assert forced == first


def test_sweep_of_changed_candles_is_computed_anew(stratkernel: Any, candles: str) -> None:
    first = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json"))
    candles_from_close(random_walk(600, seed=8)).frame.to_csv(candles)
    again = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json"))
    assert not again["reused"]
    assert again["batch"] != first["batch"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_sweep_output_has_every_row_from_the_best_on(
    stratkernel: Any, candles: str, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"rows.{suffix}"
    told = as_json(stratkernel("sweep", "ema_crossover", *GRID, "--data", candles, "--json", "-o", str(path)))
    frame = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    assert frame["rank"].tolist() == list(range(1, 10))
    wanted = [(row["parameters"]["fast_period"], row["metrics"]["sharpe"]) for row in told["results"]]
    assert list(zip(frame["fast_period"], frame["sharpe"], strict=True)) == wanted


def test_sweep_over_exit_rules_gives_the_metrics_of_runs_with_them(stratkernel: Any, candles: str) -> None:
    grid = ("--grid", "exit.stop_loss=0.01:0.03:0.01", "--grid", "fast_period=3,4")
    told = as_json(
        stratkernel("sweep", "ema_crossover", *grid, "--data", candles, "--json", "--max-bars", "20")
    )
    assert told["combinations"] == len(told["results"]) == len(told["runs"]) == 6
    for row, run_id in zip(told["results"], told["runs"], strict=True):
        alone = as_json(stratkernel("runs", "show", run_id, "--json"))
        assert alone["exits"] == {"stop_loss": row["parameters"]["exit.stop_loss"], "max_bars": 20}
        assert row["metrics"] == {name: alone["metrics"][name] for name in row["metrics"]}
    without = as_json(
        stratkernel("sweep", "ema_crossover", "--grid", "fast_period=3,4", "--data", candles, "--json")
    )
    assert without["results"][0]["metrics"] not in [row["metrics"] for row in told["results"]]


@pytest.mark.usefixtures("mine")
def test_sweep_of_a_document_takes_what_the_grid_does_not_vary_from_it(
    stratkernel: Any, candles: str
) -> None:
    assert stratkernel("config", "set", "my-ema", "allow_short=true").code == 0
    told = as_json(stratkernel("sweep", "my-ema", *GRID, "--data", candles, "--timeframe", "1h", "--json"))
    assert all(row["parameters"]["allow_short"] is True for row in told["results"])
    assert told["strategy"] == "stratkernel-ema:ema_crossover"


def test_sweep_defaults_that_do_not_fit_the_grid_do_not_matter(stratkernel: Any, candles: str) -> None:
    told = as_json(
        stratkernel(
            *("sweep", "ema_crossover", "--param", "fast_period=60", "--grid", "slow_period=20..80"),
            *("--data", candles, "--json"),
        )
    )
    assert told["skipped"] == 41
    assert len(told["results"]) == 20


def test_sweep_refused_as_a_whole_says_why(stratkernel: Any, candles: str) -> None:
    told = as_json(
        stratkernel(
            *("sweep", "ema_crossover", "--grid", "fast_period=30,31", "--grid", "slow_period=20,21"),
            *("--data", candles, "--json"),
        )
    )
    assert (told["combinations"], told["skipped"], told["results"]) == (4, 4, [])
    assert "fast_period must be smaller than slow_period" in told["refusal"]
    assert told["best_of"] is None


def test_sweep_sample_of_a_thousand_million_starts_at_once(stratkernel: Any, candles: str) -> None:
    grid = (
        "--grid",
        "fast_period=1..1000",
        "--grid",
        "slow_period=2..1001",
        "--grid",
        "signal_period=1..1000",
    )
    told = as_json(
        stratkernel("sweep", "macd", *grid, "--data", candles, "--json", "--sample", "30", "--seed", "5")
    )
    assert told["combinations"] == 30
    assert len(told["results"]) + told["skipped"] == 30
    assert (told["sample"], told["seed"]) == (30, 5)


def test_sweep_walk_forward_shows_out_of_sample_beside_in_sample(stratkernel: Any, days: str) -> None:
    command = ("sweep", "ema_crossover", *GRID, "--data", days, "--walk-forward", "train=180d,test=30d")
    told = as_json(stratkernel(*command, "--json"))["walk_forward"]
    assert len(told["windows"]) == 7
    first = told["windows"][0]
    assert first["train"][1] == first["test"][0]
    assert set(first["in_sample"]) == set(first["out_of_sample"])
    assert first["parameters"]["fast_period"] in {3, 5}
    assert told["out_of_sample"]["metrics"]["trades"] >= 0
    assert len(told["out_of_sample"]["equity"]) == 7 * 30
    outcome = stratkernel(*command)
    assert outcome.code == 0
    assert "out of sample" in outcome.out
    assert "in sample" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grid", "fast=5..9"], "unknown parameter 'fast'"),
        (["--grid", "fast_period=5..."], "grid over 'fast_period': expected whole numbers, got '5...'"),
        (["--grid", "fast_period"], "expected parameter=values"),
        (["--grid", "exit.stop=0.01"], "unknown parameter 'exit.stop'"),
        (["--grid", "fast_period=5..9", "--sample", "0"], "--sample 0: expected a whole number of 1 or more"),
        (["--grid", "fast_period=5..9", "--top", "0"], "--top 0: expected"),
        (["--grid", "fast_period=5..9", "--metric", "sharp"], "unknown --metric 'sharp'"),
        (["--grid", "fast_period=5..9", "--walk-forward", "train=9000d,test=1d"], "need 9001d of candles"),
        (["--grid", "fast_period=5..9", "--walk-forward", "9d"], "expected train=180d,test=30d"),
        (["--grid", "fast_period=5..9", "--param", "fast_period=5"], "say one of them"),
        (["--grid", "fast_period=5..9", "-o", "rows.xlsx"], "expected a file that ends in .csv or .parquet"),
        (["--grid", "fast_period=5..9", "--fee-bps", "-1"], "fee_bps"),
        (["--grid", "fast_period=5..9", "--executor", "pigeons://2"], "no executor does the work"),
        (["--grid", "fast_period=5..9", "--from", "2030-01-01"], "no candle of"),
        (["--grid", "fast_period=5..9", "--resume", "0123456789abcdef"], "is not"),
        ([], "say --grid NAME=VALUES"),
    ],
)
def test_sweep_bad_input_is_one_clear_message_and_nothing_is_written(
    stratkernel: Any, home: Path, candles: str, arguments: list[str], said: str
) -> None:
    outcome = stratkernel("sweep", "ema_crossover", "--data", candles, *arguments)
    if "--resume" in arguments:
        said = "this is sweep"
    assert said in outcome.err
    assert outcome.code == (1 if "no candle" in said else 2)
    assert outcome.out == ""
    assert not list(home.rglob("*.parquet"))
    assert not list(home.rglob("plan.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which strategy?"),
        (("--resume", "no"), "expected 16 letters"),
        (("--resume", "0123456789abcdef"), "there is no sweep '0123456789abcdef'"),
        (("ema_crossover", "--grid", "fast_period=5..9"), "say --data FILE, or --symbol SYMBOL"),
        (("ema_crossover", "--grid", "fast_period=5..9", "--data", "no.csv"), "there is no file"),
        (("ema_crosover", "--grid", "fast_period=5..9", "--data", "no.csv"), "Did you mean 'ema_crossover'"),
    ],
)
def test_sweep_without_what_it_needs_says_what(
    stratkernel: Any, home: Path, arguments: tuple[str, ...], said: str
) -> None:
    outcome = stratkernel("sweep", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_sweep_of_a_dishonest_strategy_exits_1_and_keeps_nothing(
    stratkernel: Any, home: Path, candles: str, fragile: Path
) -> None:
    command = ("sweep", "fragile", "--grid", "number=99,100", "--data", candles)
    outcome = stratkernel(*command)
    assert outcome.code == 1
    assert "is not honest" in outcome.err
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert stratkernel(*command, "--no-check").code == 0


def test_sweep_failing_combination_exits_4_with_its_cause(
    stratkernel: Any, candles: str, fragile: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    command = ("sweep", "fragile", "--grid", "number=12,13,14", "--data", candles)
    outcome = stratkernel(*command, "--json", "-o", str(rows))
    assert outcome.code == 4
    told = parse_json(outcome.out.encode(), "stdout")
    assert told["failed"] == 1
    assert len(told["results"]) == 2
    (failure,) = told["failures"]
    assert failure["parameters"]["number"] == 13
    assert "thirteen" in failure["cause"]
    assert pd.read_csv(rows)["error"].notna().tolist() == [False, False, True]
    table = stratkernel(*command)
    assert table.code == 4
    assert "failed: number=13: strategy 'fragile'" in table.out


FRAGILE = """
from stratkernel import hookimpl

@hookimpl
def stratkernel_strategies():
    import numpy as np
    from stratkernel import BaseStrategy, Params, Signals, SignalType

    class Settings(Params):
        number: int = 1

    class Fragile(BaseStrategy[Settings]):
        name = "fragile"
        Params = Settings
        window = 1

        def calculate(self, data):
            if self.params.number == 13:
                raise ValueError("thirteen")
            if self.params.number == 99:
                return Signals([len(data) // 2], SignalType.ENTRY_LONG)
            return Signals(np.flatnonzero(data["close"] > data["open"]), SignalType.ENTRY_LONG)

    return [Fragile]
"""


@pytest.fixture
def fragile(packages: Path) -> Path:
    """A plugin that fails at 13 and lies at 99."""
    info = packages / "fragile_things-1.0.dist-info"
    info.mkdir()
    (packages / "fragile_things.py").write_text(FRAGILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stratkernel]\nfragile = fragile_things\n")
    return packages


OVER_2000 = ("--grid", "fast_period=2..46", "--grid", "slow_period=10..60")
MANY = ("ema_crossover", *OVER_2000, "--no-save", "--no-check", "--json", "--top", "1")
"""2,295 combinations."""


def started(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "stratkernel", "sweep", *arguments],
        env={**os.environ, "STRATKERNEL_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Candles of ninety thousand minutes: ten and more tasks."""
    path = tmp_path_factory.mktemp("many") / "many.parquet"
    candles_from_close(random_walk(90_000, seed=6), timeframe="1m").frame.to_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def unstopped(many: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the sweep that nobody stopped."""
    process = started(tmp_path_factory.mktemp("home"), *MANY, "--data", many, "--executor", "serial")
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    return str(parse_json(told.encode(), "stdout")["hash"])


def wait_for_parts(home: Path, process: subprocess.Popen[str], count: int) -> int:
    """How many parts there are, once there are so many; 0 when the process ended before."""
    while True:
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            parts = len(list(home.glob("batches/*/part-*.parquet")))
            if parts >= count:
                return parts
        else:
            return 0


@pytest.mark.parametrize("executor", ["serial", "local://2"])
def test_sweep_killed_half_way_and_resumed_has_the_same_hash(
    stratkernel: Any, home: Path, many: str, unstopped: str, executor: str
) -> None:
    """B6, K9: the main process, by SIGKILL; its workers end with it."""
    process = started(home, *MANY, "--data", many, "--executor", executor)
    parts = wait_for_parts(home, process, 3)
    process.kill()
    process.communicate()
    assert parts >= 3
    (folder,) = home.glob("batches/????????????????")
    assert not list(home.glob("sweeps/*.parquet"))
    told = as_json(stratkernel("sweep", "--resume", folder.name, "--no-save", "--json", "--top", "1"))
    assert told["batch"] == folder.name
    assert told["hash"] == unstopped
    assert not told["reused"]


@pytest.mark.parametrize(("name", "executor"), [("SIGTERM", "local://2"), ("SIGINT", "serial")])
def test_sweep_asked_to_stop_keeps_what_is_finished_and_exits_130(
    stratkernel: Any, home: Path, many: str, unstopped: str, name: str, executor: str
) -> None:
    """K3."""
    process = started(home, *MANY, "--data", many, "--executor", executor, "--quiet")
    parts = wait_for_parts(home, process, 2)
    process.send_signal(getattr(signal, name))
    _, told = process.communicate(timeout=60)
    assert parts, told
    assert process.returncode == 130, told
    (folder,) = home.glob("batches/????????????????")
    assert f"--resume {folder.name}" in told
    assert len(list(folder.glob("part-*.parquet"))) >= parts
    again = as_json(stratkernel("sweep", *MANY, "--data", many, "--executor", "serial"))
    assert again["hash"] == unstopped


def test_sweep_of_ten_thousand_over_real_candles_has_one_hash(
    stratkernel: Any, home: Path, shared_data: Path
) -> None:
    data = shared_data / "binancef_BTCUSDT_5m.parquet"
    command = (
        *("sweep", "ema_crossover", "--grid", "fast_period=2..101", "--grid", "slow_period=10:505:5"),
        *("--data", str(data), "--symbol", "BTC/USDT", "--no-save", "--json", "--top", "1"),
    )
    one = as_json(stratkernel(*command, "--executor", "serial"))
    assert one["combinations"] == 10_000
    two = as_json(stratkernel(*command, "--executor", "local://2", "--force"))
    assert two["hash"] == one["hash"]
