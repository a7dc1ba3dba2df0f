"""`run` over the database instead of a file, and `--save`; `demo` likewise."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from both_databases import on_both_databases
from cli_output import as_json
from stratkernel import Kernel, StrategyFactory, evaluate, run_strategy
from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.stored import RunKind, RunRecord, RunStatus
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_record import RunCourse, evaluated_record, run_record
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import StorageFullError
from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel_config.documents import dump_json
from stratkernel_database.repositories.strategy import StrategyRepository

STRATEGIES = ("ema_crossover", "macd", "rsi")


@pytest.fixture
def stored(stratkernel: Any, database: str, candles: str) -> str:
    """The candles of the file, in the database as T/T."""
    assert stratkernel("data", "import", candles, "--symbol", "T/T").code == 0
    return "T/T"


def from_file(stratkernel: Any, candles: str, strategy: str, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = as_json(
        stratkernel("run", strategy, "--data", candles, "--symbol", "T/T", *more, "--json")
    )
    return found


def from_database(stratkernel: Any, strategy: str, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = as_json(stratkernel("run", strategy, "--symbol", "T/T", *more, "--json"))
    return found


def without_admission(printed: dict[str, Any]) -> dict[str, Any]:
    """All but what the gate said of the file, which was said when it was imported."""
    printed["quality"]["candles"].pop("admission")
    return printed


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--timeframe", "1h", "--venue", "local"),
        ("--from", "2023-11-20", "--to", "2023-11-30"),
        ("--origin", "2023-11-18", "--fee-bps", "10"),
        ("--calendar", "sessions", "--gaps", "reset"),
    ],
    ids=lambda flags: " ".join(flags) or "plain",
)
def test_run_from_the_database_equals_the_run_from_the_file(
    stratkernel: Any, stored: str, candles: str, strategy: str, flags: tuple[str, ...]
) -> None:
    one = from_file(stratkernel, candles, strategy, *flags)
    other = from_database(stratkernel, strategy, *flags)
    assert one["signals"]
    assert without_admission(other) == without_admission(one)


@on_both_databases
@pytest.mark.parametrize("gaps", ["continue", "reset", "fill"])
def test_run_over_stored_gaps_equals_the_run_from_the_file(
    stratkernel: Any, database: str, candles: str, gaps: str
) -> None:
    lines = Path(candles).read_text().splitlines()
    Path(candles).write_text("\n".join([*lines[:200], *lines[220:]]))
    assert stratkernel("data", "import", candles, "--symbol", "T/T").code == 0
    flags = ("--gaps", gaps, "--to", "2023-11-23T05:00:00Z")
    one = from_file(stratkernel, candles, "macd", *flags)
    assert one["quality"]["candles"]["missing"]
    assert without_admission(from_database(stratkernel, "macd", *flags)) == without_admission(one)


@on_both_databases
def test_run_save_says_the_id_and_saving_again_that_it_is_there(
    stratkernel: Any, stored: str, candles: str
) -> None:
    first = stratkernel("run", "macd", "--symbol", "T/T", "--save")
    assert first.code == 0
    last_line = first.out.splitlines()[-1]
    assert last_line.startswith("saved as run ")
    printed = from_file(stratkernel, candles, "macd", "--save")
    assert printed["saved"] is True
    assert last_line == f"saved as run {printed['run_id'][:8]}"
    again = stratkernel("run", "macd", "--symbol", "T/T", "--save")
    assert again.out.splitlines()[-1] == f"is stored already as run {printed['run_id'][:8]}"
    assert len(as_json(stratkernel("runs", "list", "--json"))) == 1


def test_run_without_save_has_an_id_and_stores_nothing(stratkernel: Any, stored: str) -> None:
    printed = from_database(stratkernel, "macd")
    assert printed["saved"] is False
    assert len(printed["run_id"]) == 36
    assert as_json(stratkernel("runs", "list", "--json")) == []


def test_run_without_save_makes_no_database(stratkernel: Any, candles: str, home: Path) -> None:
    assert stratkernel("run", "macd", "--data", candles).code == 0
    assert list(home.iterdir()) == []


@on_both_databases
def test_run_save_keeps_all_that_it_came_from(stratkernel: Any, stored: str) -> None:
    printed = from_database(
        stratkernel, "macd", "--save", "--fee-bps", "5", "--fill", "close", "--from", "2023-11-20"
    )
    shown = as_json(stratkernel("runs", "show", printed["run_id"], "--json"))
    for name in (
        "parameters",
        "symbol",
        "timeframe",
        "candles",
        "data_hash",
        "config_hash",
        "metrics",
        "costs",
    ):
        assert shown[name] == printed[name], name
    assert shown["plugins"] == printed["plugins"]
    assert shown["quality"] == printed["quality"]
    assert shown["strategy"] == "stratkernel-macd:macd"
    assert shown["first"] == "2023-11-20T00:00:00Z"
    assert shown["origin"] < shown["first"]
    assert (shown["kind"], shown["status"], shown["error"]) == ("run", "done", None)
    assert shown["started_at"] <= shown["finished_at"]
    assert shown["timings"].keys() >= {"signals"}
    assert shown["signals"][0].items() >= printed["signals"][0].items()
    assert [each["id"] for each in shown["signals"]] == [each["id"] for each in printed["signals"]]


@pytest.mark.parametrize("change", ["--fee-bps=7", "--param=fast_period=5", "--to=2023-12-01", "--venue=x"])
def test_run_id_differs_with_all_that_decides_it(stratkernel: Any, candles: str, change: str) -> None:
    one = from_file(stratkernel, candles, "ema_crossover")
    assert from_file(stratkernel, candles, "ema_crossover", change)["run_id"] != one["run_id"]


def test_run_that_cannot_be_saved_is_printed_and_fails(
    stratkernel: Any, candles: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrategyRepository, "save_run", _full)
    plain = stratkernel("run", "macd", "--data", candles)
    outcome = stratkernel("run", "macd", "--data", candles, "--save")
    assert (outcome.code, outcome.out) == (1, plain.out)
    assert "no space is left" in outcome.err
    assert "Traceback" not in outcome.err
    printed = stratkernel("run", "macd", "--data", candles, "--save", "--json")
    assert printed.code == 1
    assert '"saved": false' in printed.out


def _full(*_: Any, **__: Any) -> Any:
    raise StorageFullError("no space is left where the database lies")


def test_run_with_an_unwritable_database_is_printed_and_fails(
    stratkernel: Any, candles: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{(tmp_path / 'no' / 'such' / 'x.db').as_posix()}"
    outcome = stratkernel("run", "macd", "--data", candles, "--save", "--database", url)
    assert outcome.code in {1, 2}
    assert "macd (" in outcome.out
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_run_with_an_unknown_kind_of_database_fails_before_it_works(stratkernel: Any, candles: str) -> None:
    outcome = stratkernel("run", "macd", "--data", candles, "--save", "--database", "mysql://host/x")
    assert (outcome.code, outcome.out) == (2, "")
    assert "no storage back-end opens mysql://" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rsi"], "say --data FILE, or --symbol"),
        (["rsi", "--symbol", "TT"], "Did you mean 'T/T'? There are: T/T 1h."),
        (["rsi", "--symbol", "T/T", "--timeframe", "15m"], "There are: T/T 1h."),
        (["rsi", "--symbol", "T/T", "--timeframe", "1hour"], "unknown timeframe"),
        (["rsi", "--symbol", "T/T", "--venue", "acme"], "no candles of T/T of acme"),
        (["rsi", "--symbol", "T/T", "--tz", "UTC"], "--tz says how to read a file"),
        (["rsi", "--symbol", "T/T", "--omits-empty"], "--omits-empty says how to read a file"),
        (["rsi", "--symbol", "T/T", "--from", "2024-01-01T10:00"], "names no time zone"),
        (["rsi", "--symbol", "x" * 300], "1 to 200 letters"),
    ],
)
def test_run_from_the_database_with_bad_input_is_one_message(
    stratkernel: Any, stored: str, arguments: list[str], message: str
) -> None:
    outcome = stratkernel("run", *arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("choice", ["reject", "repair", "flag"])
def test_run_of_stored_candles_refuses_bad_candles_as_it_does_other_flags_of_files(
    stratkernel: Any, stored: str, choice: str
) -> None:
    for more in ((), ("--stream",)):
        outcome = stratkernel("run", "macd", "--symbol", "A", "--bad-candles", choice, *more)
        assert (outcome.code, outcome.out) == (2, "")
        assert "--bad-candles says how to read a file; say --data FILE too, or leave it out" in outcome.err


def test_run_over_an_empty_database_says_how_to_fill_it(stratkernel: Any, database: str) -> None:
    outcome = stratkernel("run", "rsi", "--symbol", "T/T")
    assert outcome.code == 2
    assert "stratkernel data import FILE" in outcome.err


def test_run_of_a_document_takes_its_timeframe_from_the_database_too(
    stratkernel: Any, stored: str, mine: None
) -> None:
    assert stratkernel("config", "set", "my-ema", "--timeframe", "1h").code == 0
    printed = from_database(stratkernel, "my-ema", "--save")
    assert printed["strategy"] == "my-ema"
    (found,) = as_json(stratkernel("runs", "list", "--strategy", "my-ema", "--json"))
    assert found["run_id"] == printed["run_id"]
    assert stratkernel("config", "set", "my-ema", "--timeframe", "4h").code == 0
    assert (
        "T/T 4h is not stored; its candles are made of a lower timeframe"
        in stratkernel("run", "my-ema", "--symbol", "T/T").err
    )


def result_of_a_run() -> StrategyResult:
    kernel = Kernel()
    candles = candles_from_close(random_walk(300, seed=3))
    return run_strategy(kernel, StrategyFactory(kernel).create("macd"), candles)


def test_run_record_tells_kind_status_error_and_batch() -> None:
    result, now = result_of_a_run(), SystemClock().utc_now()
    course = RunCourse(now, now, RunKind.SWEEP, RunStatus.FAILED, "it broke", "batch-1")
    record = run_record(result, Costs(), course, metrics={"sharpe": None}, quality={"status": "ok"})
    assert (record.kind, record.status, record.error, record.batch) == (
        "sweep",
        "failed",
        "it broke",
        "batch-1",
    )
    assert (record.metrics, record.quality) == ({"sharpe": None}, {"status": "ok"})
    assert record.span == (int(result.candles.open_time[0]), int(result.candles.close_time[-1]))
    assert record.signal_origin == result.signals.about
    assert record.signal_count == len(result.signals)


def test_run_record_id_is_decided_by_the_run_and_not_by_its_time() -> None:
    result = result_of_a_run()
    performance = evaluate(result.candles, result.signals)
    times = [SystemClock().utc_now() for _ in range(2)]
    one, other = (evaluated_record(result, performance, RunCourse(time)) for time in times)
    assert one.run_id == other.run_id
    swept = evaluated_record(result, performance, RunCourse(times[0], kind=RunKind.SWEEP))
    assert swept.run_id != one.run_id
    dear = run_record(result, Costs(fee_bps=1), RunCourse(times[0]))
    assert dear.run_id != one.run_id
    assert isinstance(one, RunRecord)
    assert one.quality["accuracy"] == performance.accuracy.to_dict()


@on_both_databases
def test_demo_stores_its_runs_once(stratkernel: Any, database: str) -> None:
    first = stratkernel("demo")
    assert first.code == 0, first.err
    assert "stored 9 runs and " in first.out
    assert "runs list" in first.out
    runs = as_json(stratkernel("runs", "list", "--json"))
    assert len(runs) == 9
    listed = as_json(stratkernel("data", "list", "--json"))
    assert [(each["symbol"], each["venue"], each["candles"]) for each in listed] == [
        (symbol, "demo", 3_270) for symbol in ("AAPL", "IBM", "MSFT")
    ]
    again = stratkernel("demo")
    assert "all 9 runs are stored already" in again.out
    ids = {each["run_id"] for each in runs}
    assert {each["run_id"] for each in as_json(stratkernel("runs", "list", "--json"))} == ids
    assert as_json(stratkernel("data", "list", "--json")) == listed
    assert as_json(stratkernel("run", "rsi", "--symbol", "AAPL", "--fee-bps", "5", "--json"))["run_id"] in ids


def test_demo_in_a_home_that_is_not_there_makes_it(stratkernel: Any, tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    outcome = stratkernel("demo", "--home", str(home))
    assert outcome.code == 0, outcome.err
    assert (home / "stratkernel.db").is_file()


def test_demo_no_save_keeps_nothing(stratkernel: Any, home: Path) -> None:
    outcome = stratkernel("demo", "--no-save")
    assert outcome.code == 0
    assert "stored" not in outcome.out
    assert "runs list" not in outcome.out
    assert list(home.iterdir()) == []


def test_demo_that_cannot_save_prints_and_fails(
    stratkernel: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrategyRepository, "save_run", _full)
    outcome = stratkernel("demo")
    assert outcome.code == 1
    assert "9 runs over 9,810 candles" in outcome.out
    assert "no space is left" in outcome.err


def test_run_from_the_database_takes_the_venues_own_higher_candles(
    stratkernel: Any, stored: str, candles: str, tmp_path: Path
) -> None:
    parameters = {"trend_timeframe": "4h", "trend_period": 5}
    raw = {"schema_version": 2, "name": "x", "strategy": "rsi", "parameters": parameters}
    document = tmp_path / "x.json"
    document.write_bytes(dump_json({**raw, "extra_timeframes": {"4h": "venue"}}))
    of_file = stratkernel("run", str(document), "--data", candles)
    assert (of_file.code, "a file holds one timeframe" in of_file.err) == (2, True)
    missing = stratkernel("run", str(document), "--symbol", "T/T", "--timeframe", "1h")
    assert (missing.code, "T/T 4h" in missing.err) == (2, True)
    hours = pd.read_csv(candles, index_col=0, parse_dates=True)
    days = hours.resample("4h").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    days.iloc[1:-1].to_csv(tmp_path / "long.csv")
    assert stratkernel("data", "import", str(tmp_path / "long.csv"), "--symbol", "T/T").code == 0
    printed = as_json(stratkernel("run", str(document), "--symbol", "T/T", "--timeframe", "1h", "--json"))
    plain = from_database(stratkernel, "rsi", "--timeframe", "1h")
    assert 0 < len(printed["signals"]) < len(plain["signals"])
    assert printed["data_hash"] != plain["data_hash"]
