"""`stratkernel batch`: flags and plans, what is printed and written, what is refused, exit codes."""

import json
import socket
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from batch_candles import candle_file, candle_files
from faulty_plugin import faulty_plugin
from stratkernel_config.documents import parse_json

SERIAL = ("--executor", "serial", "--quiet")


@pytest.fixture(autouse=True)
def database_in_the_home(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def results(outcome: Any, code: int = 0) -> dict[str, Any]:
    assert outcome.code == code, outcome.err
    found: dict[str, Any] = parse_json(outcome.out.encode(), "stdout")
    return found


def plan_file(folder: Path, **plan: Any) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    return str(path)


def test_batch_flags_run_every_strategy_over_every_file_and_keep_each_run(
    stratkernel: Any, tmp_path: Path
) -> None:
    files = [str(file) for file in candle_files(tmp_path, 2)]
    found = results(
        stratkernel(
            "batch", "ema_crossover", "rsi", "macd", "--data", files[0], "--data", files[1], *SERIAL, "--json"
        )
    )
    assert {name: found[name] for name in ("complete", "runs", "reused", "failed")} == {
        "complete": True,
        "runs": 6,
        "reused": 0,
        "failed": 0,
    }
    assert [(row["symbol"], row["configuration"]) for row in found["results"]] == [
        (symbol, name) for symbol in ("S000", "S001") for name in ("ema_crossover", "rsi", "macd")
    ]
    runs = parse_json(stratkernel("runs", "list", "--batch", found["batch"], "--json").out.encode(), "stdout")
    assert {run["run_id"] for run in runs} == {row["run_id"] for row in found["results"]}
    assert {run["kind"] for run in runs} == {"batch"}
    shown = parse_json(stratkernel("runs", "show", runs[0]["run_id"], "--json").out.encode(), "stdout")
    assert shown["signals"]
    assert shown["quality"]["score"] is not None


def test_batch_plan_gives_what_the_flags_give(stratkernel: Any, tmp_path: Path) -> None:
    candle_files(tmp_path, 2)
    flags = results(
        stratkernel(
            *("batch", "rsi", "macd", "--data", "S000.parquet", "--data", "S001.parquet"),
            *("--param", "allow_short=true", "--fee-bps", "10", "--stop-loss", "2%", "--from", "2023-11-16"),
            *(*SERIAL, "--no-save", "--json"),
        )
    )
    exits = {"stop_loss": 0.02}
    plan = plan_file(
        tmp_path,
        configurations=[
            {"strategy": "rsi", "parameters": {"allow_short": True}, "exits": exits},
            {
                "name": "macd",
                "strategy": "stratkernel-macd:macd",
                "parameters": {"allow_short": True},
                "exits": exits,
            },
        ],
        series=[{"data": "S000.parquet"}, {"data": "S001.parquet"}],
        trading={"fee_bps": 10},
        **{"from": "2023-11-16"},
    )
    planned = results(stratkernel("batch", "--plan", plan, *SERIAL, "--no-save", "--json"))
    assert planned["results"] == flags["results"]
    assert planned["hash"] == flags["hash"]
    assert planned["results"][0]["exits"] == exits


def test_batch_symbols_of_the_database_in_every_timeframe_some_resampled(
    stratkernel: Any, tmp_path: Path
) -> None:
    for name in ("AAA", "BBB"):
        file = candle_file(tmp_path, name, rows=600, timeframe="5m", seed=len(name))
        assert stratkernel("data", "import", str(file)).code == 0
    arguments = ("--symbol", "AAA", "--symbol", "BBB", "--timeframe", "5m", "--timeframe", "1h")
    found = results(stratkernel("batch", "rsi", "--param", "period=3", *arguments, *SERIAL, "--json"))
    series = [(row["symbol"], row["timeframe"]) for row in found["results"]]
    assert series == [("AAA", "5m"), ("AAA", "1h"), ("BBB", "5m"), ("BBB", "1h")]
    from_files = results(
        stratkernel(
            *("batch", "rsi", "--param", "period=3", "--data", "AAA.parquet", "--timeframe", "1h"),
            *(*SERIAL, "--no-save", "--json"),
        )
    )
    assert from_files["results"][0]["signals_hash"] == found["results"][1]["signals_hash"]


def test_batch_document_brings_parameters_exits_and_its_timeframe(
    stratkernel: Any, strategies: Path, tmp_path: Path
) -> None:
    candle_file(tmp_path, "AAA", rows=900, timeframe="5m")
    strategies.mkdir(parents=True)
    document = {
        "schema_version": 1,
        "name": "mine",
        "strategy": "rsi",
        "parameters": {"period": 4},
        "timeframe": "1h",
        "exits": {"max_bars": 3},
    }
    (strategies / "mine.json").write_text(json.dumps(document), encoding="utf-8")
    found = results(stratkernel("batch", "mine", "rsi", "--data", "AAA.parquet", *SERIAL, "--json"))
    assert [(row["configuration"], row["timeframe"]) for row in found["results"]] == [
        ("mine", "1h"),
        ("rsi", "5m"),
    ]
    assert found["results"][0]["parameters"]["period"] == 4
    assert found["results"][0]["exits"] == {"max_bars": 3}


def test_batch_again_reuses_what_is_stored_and_says_so_unless_forced(
    stratkernel: Any, tmp_path: Path
) -> None:
    candle_files(tmp_path, 1)
    command = ("batch", "rsi", "macd", "--data", "S000.parquet", *SERIAL)
    first = results(stratkernel(*command, "--json"))
    told = stratkernel(*command)
    assert "2 reused from the database (--force computes them anew)" in told.out
    again = results(stratkernel(*command, "--json"))
    assert again["reused"] == 2
    assert {row["status"] for row in again["results"]} == {"reused"}
    forced = results(stratkernel(*command, "--force", "--json"))
    assert forced["reused"] == 0
    assert first["hash"] == again["hash"] == forced["hash"]
    assert len(parse_json(stratkernel("runs", "list", "--json").out.encode(), "stdout")) == 2


def test_batch_reuses_a_single_run(stratkernel: Any, tmp_path: Path) -> None:
    candle_files(tmp_path, 1)
    assert stratkernel("run", "rsi", "--data", "S000.parquet", "--save").code == 0
    found = results(stratkernel("batch", "rsi", "macd", "--data", "S000.parquet", *SERIAL, "--json"))
    assert [row["status"] for row in found["results"]] == ["reused", "done"]


def test_batch_no_save_makes_no_database_and_leaves_nothing_behind(
    stratkernel: Any, tmp_path: Path, home: Path
) -> None:
    candle_files(tmp_path, 1)
    assert stratkernel("batch", "rsi", "--data", "S000.parquet", *SERIAL, "--no-save").code == 0
    assert not (home / "kept.db").exists()
    assert [path for path in (home / "batches").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_batch_output_file_has_every_row(stratkernel: Any, tmp_path: Path, suffix: str) -> None:
    candle_files(tmp_path, 2)
    target = tmp_path / f"rows{suffix}"
    command = ("batch", "rsi", "macd", "--data", "S000.parquet", "--data", "S001.parquet", *SERIAL, "--json")
    found = results(stratkernel(*command, "--no-save", "-o", str(target)))
    frame = pd.read_csv(target) if suffix == ".csv" else pd.read_parquet(target)
    assert list(frame["number"]) == [0, 1, 2, 3]
    assert list(frame["sharpe"]) == [row["metrics"]["sharpe"] for row in found["results"]]
    assert list(frame["signals_hash"]) == [row["signals_hash"] for row in found["results"]]


def test_batch_output_file_that_cannot_be_written_loses_no_result(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candle_files(tmp_path, 1)
    command = ("batch", "rsi", "macd", "--data", "S000.parquet", *SERIAL, "--no-save", "-o", "rows.parquet")

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pandas.DataFrame.to_parquet", no_space)
        outcome = stratkernel(*command)
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert not (tmp_path / "rows.parquet").exists()
    with monkeypatch.context() as patch:
        patch.setattr("stratkernel.engine.batch.tasks.run_strategy", pytest.fail)  # nothing is computed again
        assert stratkernel(*command).code == 0
    assert len(pd.read_parquet("rows.parquet")) == 2


def test_batch_table_is_ranked_by_the_metric_and_shows_the_top(stratkernel: Any, tmp_path: Path) -> None:
    files = candle_files(tmp_path, 6)
    data = [argument for file in files for argument in ("--data", str(file))]
    command = ("batch", "rsi", "--param", "period=4", *data, *SERIAL, "--no-save")
    found = results(stratkernel(*command, "--json"))["results"]
    best = sorted(found, key=lambda row: -row["metrics"]["total_return"])
    out = stratkernel(*command, "--metric", "total_return", "--top", "3").out
    positions = [out.find(row["symbol"]) for row in best]
    assert positions[:3] == sorted(positions[:3])
    assert positions[3:] == [-1, -1, -1]
    assert "and 3 more" in out


def test_batch_failed_row_exits_4_with_the_cause_and_the_others(
    stratkernel: Any, tmp_path: Path, packages: Path
) -> None:
    faulty_plugin(packages)
    candle_files(tmp_path, 1)
    command = ("batch", "calm", "raises", "peeks", "--data", "S000.parquet", *SERIAL, "--no-save")
    outcome = stratkernel(*command)
    assert outcome.code == 4
    assert "failed: raises on S000 1h:" in outcome.out
    assert "no luck today" in outcome.out
    assert "peeks is not honest" in outcome.out
    assert "3 of 3 runs, 2 failed" in outcome.out
    found = results(stratkernel(*command, "--json", "--no-check"), 4)
    assert [row["status"] for row in found["results"]] == ["done", "failed", "done"]


def test_batch_plan_with_bad_entries_tells_all_of_them_before_anything_runs(
    stratkernel: Any, tmp_path: Path, home: Path
) -> None:
    candle_files(tmp_path, 1)
    configurations: list[Any] = [{"strategy": "rsi", "parameters": {"period": n}} for n in range(2, 302)]
    configurations[17] = {"strategy": "rsy"}
    configurations[99] = {"strategy": "rsi", "parameters": {"period": 0}}
    configurations[250] = {"strategy": "rsi", "exit": {}}
    plan = plan_file(
        tmp_path,
        configurations=configurations,
        series=[{"data": "S000.parquet"}, {"data": "nowhere.csv"}],
        symbols=["NOPE"],
    )
    outcome = stratkernel("batch", "--plan", plan, *SERIAL)
    assert outcome.code == 2
    assert "5 entries of the batch cannot be run; nothing was:" in outcome.err
    for text in (
        "$.configurations[250].exit",
        "unknown strategy 'rsy'. Did you mean 'rsi'?",
        "period",
        "nowhere.csv",
        "no candles of NOPE",
    ):
        assert text in outcome.err
    assert outcome.out == ""
    assert not (home / "batches").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which strategies?"),
        (("rsi",), "which candles?"),
        (("rsi", "--data", "S000.parquet", "--metric", "sharp"), "Did you mean 'sharpe'?"),
        (("rsi", "--data", "S000.parquet", "--timeframe", "7m"), "unknown timeframe '7m'"),
        (("rsi", "--data", "S000.parquet", "--timeframe", "5m"), "its candles are 1h, not 5m"),
        (("rsi", "--symbol", "S000"), "no candles at all"),
        (("rsi", "--data", "S000.parquet", "--param", "perod=3"), "perod"),
        (("rsi", "--data", "S000.parquet", "--fee-bps", "-1"), "fee_bps"),
        (("rsi", "--data", "S000.parquet", "--top", "-1"), "--top -1"),
        (("rsi", "--data", "S000.parquet", "--stop-loss", "x"), "--stop-loss: expected a percentage"),
        (("rsi", "--data", "S000.parquet", "--executor", "local://x"), "expected local"),
        (("rsi", "--data", "S000.parquet", "--executor", "kafka://x"), "no executor does the work"),
        (("rsi", "--data", "S000.parquet", "--executor", "serial", "--task-timeout", "5"), "can be ended"),
        (("rsi", "--data", "S000.parquet", "--task-timeout", "0"), "--task-timeout 0"),
        (("rsi", "--data", "S000.parquet", "-o", "rows.xlsx"), "--output rows.xlsx"),
        (("rsi", "--data", "S000.parquet", "--resume", "0123456789abcdef"), "this is batch"),
        (("--resume", "0123456789abcdef"), "no unfinished batch"),
        (("--resume", "../x"), "no batch is called"),
        (("rsi", "--data", "S000.parquet", "--from", "2024-02-01", "--to", "2024-01-01"), "is empty"),
        (("rsi", "--data", "S000.parquet", "--from", "yesterday"), "--from 'yesterday'"),
        (("--plan", "plan.json", "--symbol", "S000"), "leave --symbol out"),
        (("--plan", "plan.json", "--fee-bps", "3"), "leave --fee-bps out"),
        (("--plan", "missing.json"), "missing.json"),
    ],
)
def test_batch_that_is_asked_wrongly_is_refused_with_what_to_do(
    stratkernel: Any, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    candle_files(tmp_path, 1)
    plan_file(tmp_path, configurations=["rsi"], series=[{"data": "S000.parquet"}])
    outcome = stratkernel("batch", *arguments, "--quiet")
    assert outcome.code == 2, outcome
    assert message in outcome.err
    assert outcome.out == ""


def test_batch_scheduler_that_nobody_started_is_a_failure_that_says_how(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candle_files(tmp_path, 1)
    monkeypatch.setattr("stratkernel.executors.dask._PATIENCE", 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"dask://127.0.0.1:{unused.getsockname()[1]}"
    outcome = stratkernel("batch", "rsi", "--data", "S000.parquet", "--executor", url, "--quiet")
    assert outcome.code == 1
    assert "no Dask scheduler answers" in outcome.err
    assert "dask scheduler" in outcome.err


def test_batch_executor_of_the_settings_is_used(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candle_files(tmp_path, 1)
    monkeypatch.setenv("STRATKERNEL_EXECUTOR", "kafka://x")
    outcome = stratkernel("batch", "rsi", "--data", "S000.parquet")
    assert outcome.code == 2
    assert "kafka://x" in outcome.err


def test_batch_single_task_without_an_executor_runs_in_this_process(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candle_files(tmp_path, 1)
    monkeypatch.setattr("stratkernel.executors.local.LocalExecutor.from_url", pytest.fail)
    assert stratkernel("batch", "rsi", "--data", "S000.parquet").code == 0


def test_batch_resumed_by_its_id_alone_does_what_the_command_asked(
    stratkernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.preparation.AT_ONCE", 1)
    candle_files(tmp_path, 3)
    data = [argument for number in range(3) for argument in ("--data", f"S00{number}.parquet")]
    command = ("batch", "rsi", "macd", *data, "--param", "allow_short=true", "--max-bars", "9", "--no-check")
    wanted = results(stratkernel(*command, *SERIAL, "--no-save", "--json"))
    from stratkernel.engine.batch import tasks

    run, calls = tasks.run_strategy, []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_strategy", interrupted)
        outcome = stratkernel(*command, *SERIAL, "--json")
    assert outcome.code == 130
    (folder,) = [path for path in (tmp_path / "home" / "batches").iterdir() if path.is_dir()]
    assert f"--resume {folder.name}" in outcome.err
    assert stratkernel("batch", *command[1:3], *data, "--resume", folder.name).code == 2  # another one
    resumed = results(stratkernel("batch", "--resume", folder.name, *SERIAL, "--json"))
    assert resumed["hash"] == wanted["hash"]
    assert resumed["batch"] == folder.name
    assert not folder.exists()
    assert len(parse_json(stratkernel("runs", "list", "--json").out.encode(), "stdout")) == 6
