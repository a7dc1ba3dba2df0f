"""`stratkernel signals`: signals of saved runs into files and statistics."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from both_databases import on_both_databases
from cli_output import as_json
from stratkernel.cli.table_files import harmless

FIRST_COLUMNS = [
    *("timestamp", "signal_type", "price", "confidence", "strategy_name", "symbol", "timeframe", "run_id"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runs(stratkernel: Any, database: str, candles: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Two saved runs, as `run --json` printed them; the candles are stored too."""
    assert stratkernel("data", "import", candles, "--symbol", "A").code == 0
    assert stratkernel("data", "import", candles, "--symbol", "B").code == 0
    return {
        name: as_json(stratkernel("run", name, "--symbol", symbol, "--save", "--json"))
        for name, symbol in (("macd", "A"), ("rsi", "B"))
    }


def exported(stratkernel: Any, *flags: str, name: str = "out.parquet") -> pd.DataFrame:
    outcome = stratkernel("signals", "export", *flags, "-o", name)
    assert outcome.code == 0, outcome.err
    return pd.read_parquet(name) if name.endswith(".parquet") else pd.read_csv(name)


@on_both_databases
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_signals_export_writes_the_printed_signals(
    stratkernel: Any, runs: dict[str, Any], suffix: str
) -> None:
    frame = exported(stratkernel, name=f"out.{suffix}")
    assert frame.columns.tolist()[:8] == FIRST_COLUMNS
    assert len(frame) == sum(len(run["signals"]) for run in runs.values())
    for name, run in runs.items():
        of_run = frame[frame["run_id"] == run["run_id"]]
        for column in ("price", "confidence", "id"):
            assert of_run[column].tolist() == [signal[column] for signal in run["signals"]]
        assert set(of_run["strategy_name"]) == {name}
        times = pd.to_datetime(of_run["timestamp"], utc=True)
        assert times.tolist() == [pd.Timestamp(signal["timestamp"]) for signal in run["signals"]]


def test_signals_export_says_how_many(stratkernel: Any, runs: dict[str, Any]) -> None:
    count = len(runs["macd"]["signals"])
    outcome = stratkernel("signals", "export", "--run", runs["macd"]["run_id"][:8], "-o", "out.csv")
    assert outcome.out == f"wrote {count:,} signals of 1 run to out.csv\n"


@on_both_databases
def test_signals_export_filters(stratkernel: Any, runs: dict[str, Any]) -> None:
    whole = exported(stratkernel)

    def check(mask: Any, *flags: str) -> None:
        frame = exported(stratkernel, *flags)
        assert frame["id"].tolist() == whole[mask]["id"].tolist()
        assert 0 < len(frame) < len(whole)

    check(whole["run_id"] == runs["rsi"]["run_id"], "--run", "last")
    check(whole["strategy_name"] == "macd", "--strategy", "macd")
    check(whole["symbol"] == "B", "--symbol", "B")
    check(whole["signal_type"] == "EXIT_LONG", "--type", "EXIT_LONG")
    check(whole["confidence"] >= 0.5, "--min-confidence", "0.5", "--timeframe", "1h")
    start, end = "2023-11-20", "2023-11-25T12:00:00Z"
    between = (whole["timestamp"] >= pd.Timestamp(start, tz="UTC")) & (whole["timestamp"] < pd.Timestamp(end))
    check(between, "--from", start, "--to", end)


def test_signals_export_of_a_run_without_signals_has_a_header(stratkernel: Any, runs: dict[str, Any]) -> None:
    limits = ("--param", "oversold=1", "--param", "overbought=99")
    assert stratkernel("run", "rsi", "--symbol", "A", *limits, "--save").code == 0
    outcome = stratkernel("signals", "export", "--run", "last", "-o", "none.csv")
    assert (outcome.code, outcome.out) == (0, "wrote 0 signals of 0 runs to none.csv\n")
    assert Path("none.csv").read_text().startswith(",".join(FIRST_COLUMNS))
    assert exported(stratkernel, "--run", "last").empty


@on_both_databases
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--strategy", "nosuch"), "is of the strategy 'nosuch'. There are: macd, rsi"),
        (("--symbol", "NOPE"), "is of the symbol 'NOPE'. There are: A, B"),
        (("--timeframe", "4h"), "is of the timeframe '4h'. There are: 1h"),
        (("--timeframe", "7q"), "unknown timeframe"),
        (("--strategy", "macd", "--symbol", "B"), "is of all that together"),
        (("--run", "last", "--symbol", "NOPE"), "is of the symbol 'NOPE'"),
        (("--from", "2005-01-01", "--to", "2001-01-01"), "nothing lies between"),
        (("--from", "2024-01-01", "--to", "2024-01-01"), "nothing lies between"),
        (("--from", "2031-01-01"), "no signal is as asked for; without --from"),
    ],
)
def test_signals_export_that_matches_nothing_says_what_there_is_and_leaves_the_old_file(
    stratkernel: Any, runs: dict[str, Any], flags: tuple[str, ...], said: str
) -> None:
    Path("kept.csv").write_text("kept")
    outcome = stratkernel("signals", "export", *flags, "-o", "kept.csv")
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert Path("kept.csv").read_text() == "kept"


def test_signals_export_of_an_empty_database_says_how_to_fill_it(
    stratkernel: Any, database: str, folder: Path
) -> None:
    outcome = stratkernel("signals", "export", "-o", "none.csv")
    assert outcome.code == 2
    assert "stratkernel run STRATEGY --data FILE --save" in outcome.err
    assert not Path("none.csv").exists()


@on_both_databases
def test_signals_of_a_qualified_strategy_are_those_of_its_name(
    stratkernel: Any, runs: dict[str, Any]
) -> None:
    by_name = exported(stratkernel, "--strategy", "rsi")
    qualified = as_json(stratkernel("runs", "show", runs["rsi"]["run_id"], "--json"))["strategy"]
    assert qualified == "stratkernel-rsi:rsi"
    assert exported(stratkernel, "--strategy", qualified).equals(by_name)
    (counted,) = as_json(stratkernel("signals", "stats", "--strategy", qualified, "--json"))
    assert counted["count"] == len(by_name) > 0


@on_both_databases
def test_signals_export_shows_revisions_when_asked_to(
    stratkernel: Any, runs: dict[str, Any], database: str
) -> None:
    import dataclasses
    from uuid import UUID

    from stratkernel import Kernel, StrategyFactory, run_strategy
    from stratkernel.contracts.stored import Series
    from stratkernel.engine.storage import open_storage

    kernel = Kernel()
    with open_storage(kernel, database) as storage:
        candles = storage.candles.read(Series("A", "1h"))
        table = run_strategy(kernel, StrategyFactory(kernel).create("macd"), candles).signals.select(slice(1))
        run_id = UUID(runs["macd"]["run_id"])
        storage.strategies.add_signals(run_id, dataclasses.replace(table, price=table.price + 1.0))
    flags = ("--strategy", "macd")
    current, all_of_them = exported(stratkernel, *flags), exported(stratkernel, *flags, "--all-revisions")
    assert len(all_of_them) == len(current) + 1
    assert current["price"].iloc[0] == runs["macd"]["signals"][0]["price"] + 1.0
    assert current["revision"].iloc[0] == all_of_them["revision"].max()


def test_signals_export_escapes_what_a_spreadsheet_would_run(
    stratkernel: Any, database: str, candles: str, folder: Path
) -> None:
    for symbol in ("=cmd|' /C calc'!A0", "@SUM(1)", "+1", "plain"):
        assert stratkernel("run", "macd", "--data", candles, f"--symbol={symbol}", "--save").code == 0
    symbols = set(exported(stratkernel, name="out.csv")["symbol"])
    assert symbols == {"'=cmd|' /C calc'!A0", "'@SUM(1)", "'+1", "plain"}
    assert "=cmd|' /C calc'!A0" in set(exported(stratkernel)["symbol"])


def test_harmless_leaves_numbers_and_times_alone() -> None:
    frame = pd.DataFrame({"x": [-1.5], "=y": ["-2"], "t": pd.to_datetime(["2024-01-01"], utc=True)})
    safe = harmless(frame)
    assert safe.columns.tolist() == ["x", "'=y", "t"]
    assert (safe["x"].iloc[0], safe["'=y"].iloc[0]) == (-1.5, "'-2")
    assert frame["=y"].iloc[0] == "-2"


def test_signals_export_of_metadata_of_several_kinds_goes_into_parquet(tmp_path: Path) -> None:
    from stratkernel.cli.signals_export import _of_one_type
    from stratkernel.cli.table_files import write_frame

    frame = pd.DataFrame(
        {"metadata.mixed": [1.5, "high", None], "metadata.number": [1.0, None, 2.0], "price": [1.0, 2.0, 3.0]}
    )
    write_frame(_of_one_type(frame), tmp_path / "out.parquet")
    back = pd.read_parquet(tmp_path / "out.parquet")
    assert back["metadata.mixed"].tolist()[:2] == ["1.5", "high"]
    assert back["metadata.number"].iloc[2] == 2.0


@on_both_databases
def test_signals_stats_counts_by_group(stratkernel: Any, runs: dict[str, Any]) -> None:
    groups = as_json(stratkernel("signals", "stats", "--json"))
    assert [(g["strategy"], g["symbol"], g["timeframe"]) for g in groups] == [
        ("macd", "A", "1h"),
        ("rsi", "B", "1h"),
    ]
    for group in groups:
        signals = runs[group["strategy"]]["signals"]
        assert group["count"] == sum(group["by_type"].values()) == len(signals)
        assert group["mean_confidence"] == pytest.approx(sum(s["confidence"] for s in signals) / len(signals))
        assert (group["first"], group["last"]) == (signals[0]["timestamp"], signals[-1]["timestamp"])
        assert "win_rate" not in group


@on_both_databases
def test_signals_stats_by_day_and_for_readers(stratkernel: Any, runs: dict[str, Any]) -> None:
    days = as_json(stratkernel("signals", "stats", "--by", "day", "--json"))
    assert sum(day["count"] for day in days) == sum(len(run["signals"]) for run in runs.values())
    assert all(day["first"].startswith(day["day"]) for day in days)
    table = stratkernel("signals", "stats", "--by", "symbol,day", "--win-rate", "next_signal").out
    assert table.split("\n")[0].split()[:4] == ["SYMBOL", "DAY", "COUNT", "CONFIDENCE"]
    assert "WIN RATE" in table


@on_both_databases
def test_signals_stats_win_rate_by_the_next_signal(stratkernel: Any, runs: dict[str, Any]) -> None:
    (group,) = as_json(
        stratkernel(
            "signals",
            "stats",
            "--by",
            "strategy",
            "--strategy",
            "macd",
            "--win-rate",
            "next_signal",
            "--json",
        )
    )
    signals = runs["macd"]["signals"]
    pairs = [
        (one["price"], other["price"]) for one, other in pairwise(signals) if one["type"] == "ENTRY_LONG"
    ]
    won = sum(other > one for one, other in pairs)
    assert (group["decided"], group["won"]) == (len(pairs), won)
    assert group["win_rate"] == won / len(pairs)


@on_both_databases
def test_signals_stats_win_rate_after_some_candles(
    stratkernel: Any, runs: dict[str, Any], candles: str
) -> None:
    (group,) = as_json(
        stratkernel("signals", "stats", "--strategy", "macd", "--win-rate", "horizon:12", "--json")
    )
    frame = pd.read_csv(candles, index_col=0, parse_dates=True)
    close = frame["close"].copy()
    close.index = frame.index + pd.Timedelta(hours=1)
    decided = won = 0
    for signal in runs["macd"]["signals"]:
        later = pd.Timestamp(signal["timestamp"]) + pd.Timedelta(hours=12)
        if signal["type"] == "ENTRY_LONG" and later in close.index:
            decided += 1
            won += close[later] > signal["price"]
    assert (group["decided"], group["won"]) == (decided, won)


def test_signals_stats_of_nothing_says_so(stratkernel: Any, database: str) -> None:
    outcome = stratkernel("signals", "stats")
    assert outcome.code == 0
    assert "--save" in outcome.out
    assert as_json(stratkernel("signals", "stats", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export"], "required: -o/--output"),
        (["export", "-o", "out.txt"], "expected a file that ends in .csv or .parquet"),
        (["export", "-o", "no/out.csv"], "there is no folder no"),
        (["export", "-o", "out.csv", "--run", "ffffffff"], "ffffffff"),
        (["export", "-o", "out.csv", "--type", "BUY"], "invalid choice"),
        (["export", "-o", "out.csv", "--min-confidence", "2"], "from 0 to 1"),
        (["export", "-o", "out.csv", "--min-confidence", "nan"], "from 0 to 1"),
        (["export", "-o", "out.csv", "--from", "2024-01-01 10:00"], "names no time zone"),
        (["stats", "--by", "price"], "expected some of strategy, symbol, timeframe, day"),
        (["stats", "--by", ""], "expected some of strategy, symbol, timeframe, day"),
        (["stats", "--win-rate", "always"], "expected next_signal, or horizon:"),
        (["stats", "--win-rate", "horizon:0"], "expected next_signal, or horizon:"),
        (["stats", "--win-rate", "horizon:x"], "expected next_signal, or horizon:"),
    ],
)
def test_signals_bad_input_is_one_message(
    stratkernel: Any, database: str, folder: Path, arguments: list[str], message: str
) -> None:
    outcome = stratkernel("signals", *arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("out.csv").exists()
