"""`stratkernel data`: candles into the database, what is known of them, and out of it again."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from both_databases import on_both_databases
from cli_output import as_json
from stratkernel.contracts.admission_report import explain_rules
from stratkernel.contracts.stored import Series
from stratkernel.testing.candles import candles_from_close, random_walk

WALK = random_walk(600, seed=2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, **more: Any) -> pd.DataFrame:
    frame = candles_from_close(WALK, **more).frame
    frame.to_csv(name)
    return frame


@pytest.fixture
def imported(stratkernel: Any, database: str, folder: Path) -> pd.DataFrame:
    """600 hours of A/B."""
    frame = write("candles.csv")
    outcome = stratkernel("data", "import", "candles.csv", "--symbol", "A/B")
    assert outcome.code == 0, outcome.err
    assert outcome.out == "A/B 1h: 600 new\n"
    return frame


def listed(stratkernel: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = as_json(stratkernel("data", "list", "--json"))
    return found


@on_both_databases
def test_data_import_again_adds_no_row_and_says_so(stratkernel: Any, imported: pd.DataFrame) -> None:
    outcome = stratkernel("data", "import", "candles.csv", "--symbol", "A/B")
    assert (outcome.code, outcome.out) == (0, "A/B 1h: 0 new, 600 unchanged\n")


@on_both_databases
def test_data_list_says_what_is_stored(stratkernel: Any, imported: pd.DataFrame) -> None:
    (found,) = listed(stratkernel)
    assert {key: found[key] for key in ("symbol", "timeframe", "venue", "candles", "missing")} == {
        "symbol": "A/B",
        "timeframe": "1h",
        "venue": "local",
        "candles": 600,
        "missing": 0,
    }
    assert pd.Timestamp(found["first"]) == imported.index[0]
    assert pd.Timestamp(found["last"]) == imported.index[-1]
    table = stratkernel("data", "list")
    assert "A/B     1h         local  600" in table.out


def test_data_list_of_an_empty_database_says_how_to_fill_it(stratkernel: Any, database: str) -> None:
    outcome = stratkernel("data", "list")
    assert outcome.code == 0
    assert "no candles in" in outcome.out
    assert "stratkernel data import FILE" in outcome.out
    assert listed(stratkernel) == []


def test_data_import_into_a_home_that_is_not_there_makes_it(
    stratkernel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("candles.csv")
    home = folder / "new" / "home"
    assert stratkernel("data", "import", "candles.csv", "--home", str(home)).code == 0
    assert (home / "stratkernel.db").is_file()


@on_both_databases
def test_data_import_of_contradicting_candles_is_refused_with_the_rows(
    stratkernel: Any, imported: pd.DataFrame
) -> None:
    changed = imported.copy()
    changed.iloc[[7, 400], changed.columns.get_loc("volume")] = 11.0
    changed.to_csv("changed.csv")
    outcome = stratkernel("data", "import", "changed.csv", "--symbol", "A/B")
    assert (outcome.code, outcome.out) == (1, "")
    assert "A/B 1h" in outcome.err
    assert changed.index[7].strftime("%Y-%m-%dT%H:%M:%SZ") in outcome.err
    assert changed.index[400].strftime("%Y-%m-%dT%H:%M:%SZ") in outcome.err
    assert "Overwrite them" in outcome.err
    assert stratkernel("data", "import", "candles.csv", "--symbol", "A/B").out.endswith("600 unchanged\n")
    overwritten = stratkernel("data", "import", "changed.csv", "--symbol", "A/B", "--overwrite")
    assert overwritten.out == "A/B 1h: 0 new, 598 unchanged, 2 replaced\n"


@on_both_databases
def test_data_import_of_a_conflict_between_two_files_of_a_series_writes_nothing_of_it(
    stratkernel: Any, database: str, folder: Path
) -> None:
    frame = write("one.csv")
    frame.assign(volume=11.0).to_csv("two.csv")
    write("three.csv", start=1_600_000_000_000_000)
    outcome = stratkernel("data", "import", "one.csv", "two.csv", "--symbol", "A")
    assert (outcome.code, outcome.out) == (1, "")
    assert "A 1h" in outcome.err
    assert listed(stratkernel) == []


@on_both_databases
def test_data_import_of_several_series_stores_those_without_a_conflict(
    stratkernel: Any, imported: pd.DataFrame
) -> None:
    imported.assign(volume=11.0).to_csv("AB.csv")
    assert stratkernel("data", "import", "AB.csv").code == 0
    imported.assign(volume=12.0).to_csv("AB.csv")
    write("C.csv")
    outcome = stratkernel("data", "import", "AB.csv", "C.csv")
    assert outcome.code == 1
    assert outcome.out == "C 1h: 600 new\n"
    assert "AB 1h" in outcome.err


def test_data_import_of_a_bad_file_among_several_writes_nothing(
    stratkernel: Any, database: str, folder: Path
) -> None:
    write("good.csv")
    Path("bad.csv").write_text("a,b\n1,2\n")
    outcome = stratkernel("data", "import", "good.csv", "bad.csv")
    assert (outcome.code, outcome.out) == (1, "")
    assert "bad.csv" in outcome.err
    assert listed(stratkernel) == []


def test_data_import_of_parts_makes_one_series(stratkernel: Any, database: str, folder: Path) -> None:
    frame = write("candles.csv")
    frame.iloc[:300].to_csv("one.csv")
    frame.iloc[250:].to_csv("two.csv")
    outcome = stratkernel("data", "import", "two.csv", "one.csv", "--symbol", "A")
    assert outcome.out == "A 1h: 600 new, 50 unchanged\n"
    assert listed(stratkernel)[0]["candles"] == 600


def test_data_import_takes_what_is_stored_into_account_for_the_calendar(
    stratkernel: Any, database: str, folder: Path
) -> None:
    days = candles_from_close(WALK, timeframe="1d").frame
    weekdays = days[days.index.day_of_week < 5]
    weekdays.iloc[:-4].to_csv("years.csv")
    week = weekdays[weekdays.index.day_of_week < 3].iloc[-2:]
    week.to_csv("week.csv")
    for file in ("years.csv", "week.csv"):
        assert stratkernel("data", "import", file, "--symbol", "A", "--timeframe", "1d").code == 0
    assert listed(stratkernel)[0]["calendar"] != "24x7"


@on_both_databases
def test_data_import_of_growing_candles_infers_the_calendar_anew(
    stratkernel: Any, database: str, folder: Path
) -> None:
    """Three days tell nothing, years do; then a few days more change nothing."""
    days = candles_from_close(WALK, timeframe="1d").frame
    weekdays = days[days.index.day_of_week < 5]
    monday = int(np.flatnonzero(weekdays.index.day_of_week == 0)[0])
    found = []
    for name, part in (("few", slice(monday, monday + 3)), ("years", slice(None)), ("last", slice(-3, None))):
        weekdays.iloc[part].to_csv(f"{name}.csv")
        outcome = stratkernel("data", "import", f"{name}.csv", "--symbol", "A", "--timeframe", "1d")
        assert outcome.code == 0, outcome.err
        found.append((listed(stratkernel)[0]["calendar"], "calendar weekdays, 24x7 before" in outcome.out))
        assert "stays stored" not in outcome.err
    assert found == [("24x7", False), ("weekdays", True), ("weekdays", False)]
    assert listed(stratkernel)[0]["missing"] == 0


def test_data_import_of_growing_real_candles_runs_as_the_whole_file_does(
    stratkernel: Any, database: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    file = request.config.rootpath.parent / "shared" / "data" / "bokehpd_AAPL_1d.parquet"
    if not file.is_file():
        pytest.skip("the folder shared/data with real candles is not beside the repository")
    whole = ["data", "import", str(file), "--symbol", "AAPL"]
    assert stratkernel(*whole).code == 0
    first = ["data", "export", "--symbol", "AAPL", "--to", "2000-03-04", "-o", "slice.parquet"]
    assert stratkernel(*first).code == 0
    assert stratkernel("data", "delete", "--symbol", "AAPL", "--yes").code == 0
    part = stratkernel("data", "import", "slice.parquet", "--symbol", "AAPL", "--timeframe", "1d")
    assert part.code == 0
    assert listed(stratkernel)[0]["calendar"] == "24x7"
    assert stratkernel(*whole).code == 0
    (found,) = listed(stratkernel)
    assert (found["calendar"], found["missing"]) == ("sessions", 0)
    stored = as_json(stratkernel("run", "ema_crossover", "--symbol", "AAPL", "--json"))
    of_file = as_json(stratkernel("run", "ema_crossover", "--data", str(file), "--symbol", "AAPL", "--json"))
    assert stored["metrics"] == of_file["metrics"]


@on_both_databases
def test_data_import_flags_change_what_is_known_of_a_stored_series(
    stratkernel: Any, imported: pd.DataFrame
) -> None:
    outcome = stratkernel(
        "data", "import", "candles.csv", "--symbol", "A/B", "--calendar", "sessions", "--omits-empty"
    )
    assert outcome.code == 0
    assert outcome.out == (
        "A/B 1h: 0 new, 600 unchanged; calendar sessions, 24x7 before; candles without trades are left out\n"
    )
    (found,) = listed(stratkernel)
    assert (found["calendar"], found["omits_empty"]) == ("sessions", True)
    assert stratkernel("data", "import", "candles.csv", "--symbol", "A/B").code == 0
    assert listed(stratkernel) == [found]
    again = stratkernel("data", "import", "candles.csv", "--symbol", "A/B", "--no-omits-empty")
    assert again.out.endswith("; candles without trades are not left out any more\n")
    assert listed(stratkernel)[0]["omits_empty"] is False


@on_both_databases
def test_data_import_flag_of_a_refused_conflict_changes_nothing(
    stratkernel: Any, imported: pd.DataFrame
) -> None:
    imported.assign(volume=11.0).to_csv("changed.csv")
    before = listed(stratkernel)
    outcome = stratkernel("data", "import", "changed.csv", "--symbol", "A/B", "--calendar", "sessions")
    assert outcome.code == 1
    assert listed(stratkernel) == before


def test_data_import_keeps_a_calendar_that_was_said(stratkernel: Any, imported: pd.DataFrame) -> None:
    assert stratkernel("data", "import", "candles.csv", "--symbol", "S", "--calendar", "sessions").code == 0
    assert stratkernel("data", "import", "candles.csv", "--symbol", "S").code == 0
    assert {each["symbol"]: each["calendar"] for each in listed(stratkernel)} == {
        "A/B": "24x7",
        "S": "sessions",
    }


@on_both_databases
def test_data_import_puts_dropped_rows_aside_with_their_reason(
    stratkernel: Any, database: str, folder: Path, kernel: Any
) -> None:
    write("candles.csv")
    lines = Path("candles.csv").read_text().splitlines()
    lines[50] = lines[50].replace(",10.0", ",-1.0")
    lines[60] = lines[60].replace(",10.0", ",many")
    lines.insert(70, lines[70])
    Path("bad.csv").write_text("\n".join(lines))
    refused = stratkernel("data", "import", "bad.csv", "--symbol", "A")
    assert (refused.code, listed(stratkernel)) == (1, [])
    outcome = stratkernel("data", "import", "bad.csv", "--symbol", "A", "--bad-candles", "repair")
    assert outcome.out == "A 1h: 598 new; 2 bad candles put aside\n"
    again = stratkernel("data", "import", "bad.csv", "--symbol", "A", "--bad-candles", "repair")
    assert again.out == "A 1h: 0 new, 598 unchanged\n"
    (checked,) = as_json(stratkernel("data", "check", "A", "--json"))
    assert checked["quarantined"] == 2
    assert checked["reasons"] == {"volume: volume": 1, "volume: readable": 1}
    assert (checked["missing"], len(checked["gaps"])) == (2, 2)
    text = stratkernel("data", "check")
    assert text.code == 0
    assert "2 bad candles were put aside:" in text.out
    assert "1  volume: expected a volume of 0 or more\n" in text.out
    assert "1  volume: expected a number\n" in text.out
    assert "2 candles are missing, in 2 gaps" in text.out


def test_data_check_names_the_longest_gap_and_jumps(stratkernel: Any, database: str, folder: Path) -> None:
    close = WALK.copy()
    close[300:] *= 5
    frame = candles_from_close(close).frame
    pd.concat([frame.iloc[:100], frame.iloc[105:200], frame.iloc[220:]]).to_csv("A.csv")
    assert stratkernel("data", "import", "A.csv").code == 0
    outcome = stratkernel("data", "check", "A")
    assert "25 candles are missing, in 2 gaps; the longest:" in outcome.out
    between = f"20 between {frame.index[199]:%Y-%m-%dT%H:%M:%SZ} and {frame.index[220]:%Y-%m-%dT%H:%M:%SZ}"
    assert between in outcome.out
    assert "jumps to more than twice or less than half 1 times" in outcome.out


@on_both_databases
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_data_export_is_imported_again_to_the_same_hash(
    stratkernel: Any, imported: pd.DataFrame, suffix: str, database: str, kernel: Any
) -> None:
    outcome = stratkernel("data", "export", "--symbol", "A/B", "-o", f"out{suffix}")
    assert (outcome.code, outcome.out) == (0, f"wrote 600 candles of A/B 1h to out{suffix}\n")
    assert stratkernel("data", "import", f"out{suffix}", "--symbol", "B").code == 0
    hashes = [
        as_json(stratkernel("run", "macd", "--symbol", symbol, "--json"))["data_hash"]
        for symbol in ("A/B", "B")
    ]
    assert hashes[0] == hashes[1]


def test_data_export_range_is_inclusive_then_exclusive(stratkernel: Any, imported: pd.DataFrame) -> None:
    days = ("--from", "2023-11-20", "--to", "2023-11-21")
    assert stratkernel("data", "export", "--symbol", "A/B", *days, "-o", "day.parquet").code == 0
    times = pd.read_parquet("day.parquet")["open_time"]
    assert (len(times), times.iloc[0]) == (24, pd.Timestamp("2023-11-20", tz="UTC"))


@on_both_databases
def test_data_delete_needs_a_yes(stratkernel: Any, imported: pd.DataFrame) -> None:
    asked = stratkernel("data", "delete", "--symbol", "A/B")
    assert (asked.code, asked.out) == (2, "")
    assert "600 candles of A/B 1h" in asked.err
    assert len(listed(stratkernel)) == 1
    done = stratkernel("data", "delete", "--symbol", "A/B", "--yes")
    assert (done.code, done.out) == (0, "deleted 600 candles of A/B 1h\n")
    assert listed(stratkernel) == []


def test_data_import_of_a_large_file_goes_through_in_parts(
    stratkernel: Any, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratkernel.cli.data_import._LARGE", 100)
    monkeypatch.setattr("stratkernel.cli.data_import._CHUNK", 70)
    write("candles.csv")
    assert stratkernel("data", "import", "candles.csv").out == "candles 1h: 600 new\n"
    assert listed(stratkernel)[0]["missing"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["import", "none.csv"], 2, "no file 'none.csv'"),
        (["import"], 2, "required: FILE"),
        (["import", "candles.csv", "--symbol", ""], 2, "--symbol"),
        (["import", "candles.csv", "--symbol", "x" * 201], 2, "1 to 200 letters"),
        (["import", "naive.csv"], 2, "--tz"),
        (["import", "candles.csv", "--database", "mysql://x/y"], 2, "no storage back-end opens mysql://"),
        (["import", "candles.csv", "--database", "nonsense"], 2, "given as database is no URL"),
        (["export", "--symbol", "A/C", "-o", "x.csv"], 2, "Did you mean 'A/B'? There are: A/B 1h."),
        (["export", "--symbol", "A/B", "--timeframe", "4h", "-o", "x.csv"], 2, "There are: A/B 1h."),
        (["export", "--symbol", "A/B", "--timeframe", "4", "-o", "x.csv"], 2, "unknown timeframe"),
        (["export", "--symbol", "A/B", "--venue", "acme", "-o", "x.csv"], 2, "There are: A/B 1h."),
        (["export", "--symbol", "A/B", "-o", "no/x.csv"], 2, "there is no folder no"),
        (["export", "--symbol", "A/B", "-o", "x.xls"], 2, "expected a file that ends in .csv"),
        (["export", "--symbol", "A/B", "-o", "x.csv", "--from", "2024-01-01T10:00"], 2, "names no time zone"),
        (
            ["export", "--symbol", "A/B", "-o", "x.csv", "--from", "2005-01-01", "--to", "2001-01-01"],
            2,
            "nothing lies between",
        ),
        (
            ["export", "--symbol", "A/B", "-o", "x.csv", "--from", "2031-01-01"],
            2,
            "written to x.csv: A/B 1h has no candle from 2031-01-01 to the last; it has 600, from",
        ),
        (["delete", "--symbol", "A/C", "--yes"], 2, "There are: A/B 1h."),
        (["check", "A/C"], 2, "There are: A/B 1h."),
    ],
)
def test_data_bad_input_is_one_message_and_changes_nothing(
    stratkernel: Any, imported: pd.DataFrame, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    Path("naive.csv").write_text("timestamp,open,high,low,close,volume\n2024-01-01 10:00,1,1,1,1,1\n")
    before = listed(stratkernel)
    outcome = stratkernel("data", *arguments)
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert listed(stratkernel) == before
    assert not Path("x.csv").exists()


def test_data_export_that_fails_leaves_the_old_file(
    stratkernel: Any, imported: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out.csv").write_text("old")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stratkernel.cli.data_writing._batch", fail)
    outcome = stratkernel("data", "export", "--symbol", "A/B", "-o", "out.csv")
    assert outcome.code == 1
    assert "No space left" in outcome.err
    assert Path("out.csv").read_text() == "old"


def test_data_export_without_a_candle_leaves_the_old_file(stratkernel: Any, imported: pd.DataFrame) -> None:
    Path("out.csv").write_text("old")
    assert stratkernel("data", "export", "--symbol", "A/B", "-o", "out.csv", "--to", "2001-01-01").code == 2
    assert Path("out.csv").read_text() == "old"


def test_rules_that_a_candle_broke_are_explained_in_plain_words() -> None:
    assert explain_rules("high: positive, high: high, close: readable") == (
        "high: expected a price above 0, high must be at least max(open, close), close: expected a number"
    )
    assert explain_rules("open_time: readable") == "open_time: expected a time"
    assert explain_rules("another row has its time") == "another row has its time"


def test_data_series_of_several_venues_and_timeframes_are_told_apart(
    stratkernel: Any, imported: pd.DataFrame, database: str, kernel: Any
) -> None:
    for venue in ("x", "y"):
        assert stratkernel("data", "import", "candles.csv", "--symbol", "V", "--venue", venue).code == 0
    write("long.csv", timeframe="4h")
    assert stratkernel("data", "import", "long.csv", "--symbol", "A/B").code == 0
    many = stratkernel("data", "export", "--symbol", "V", "-o", "v.csv")
    assert (many.code, "say --venue" in many.err) == (2, True)
    several = stratkernel("data", "export", "--symbol", "A/B", "-o", "v.csv")
    assert (several.code, "say --timeframe" in several.err) == (2, True)
    assert stratkernel("data", "export", "--symbol", "V", "--venue", "y", "-o", "v.csv").code == 0
    assert stratkernel("data", "import", "candles.csv", "--symbol", "V").code == 0
    local = stratkernel("data", "export", "--symbol", "V", "-o", "v.csv")
    assert local.out == "wrote 600 candles of V 1h to v.csv\n"


def test_data_import_marks_repaired_candles_for_good(stratkernel: Any, database: str, folder: Path) -> None:
    frame = write("candles.csv")
    frame.iloc[40, frame.columns.get_loc("high")] = 1.0
    frame.to_csv("bad.csv")
    assert stratkernel("data", "import", "bad.csv", "--symbol", "A", "--bad-candles", "repair").code == 0
    printed = as_json(stratkernel("run", "macd", "--symbol", "A", "--json"))
    assert printed["quality"]["candles"]["marked"] == 1


def test_dropped_candles_are_all_rows_but_the_first_good_one_of_a_time(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from stratkernel.contracts.admission import BadCandles, admit
    from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
    from stratkernel.contracts.timeframes import HOUR, Timeframe
    from stratkernel.engine.quarantine import dropped_candles

    first = 1_700_000_000_000_000 // HOUR * HOUR
    steps = [0, 1, 1, 1, 2, 3, 3]
    close = np.array([5.0, -1.0, 5.0, 6.0, 5.0, 5.0, 5.0])
    time = np.array([first + step * HOUR for step in steps])
    time[4] = UNREADABLE_TIME
    raw = RawCandles(
        symbol="A",
        timeframe=Timeframe("1h"),
        open_time=time,
        columns={name: close.copy() for name in ("open", "high", "low", "close")} | {"volume": np.ones(7)},
        line=np.arange(7),
        where="made",
        unreadable={(4, "open_time"): "soon"},
    )
    now = datetime(2024, 1, 1, tzinfo=UTC)
    candles = admit(raw, policy=BadCandles.REPAIR, now=now)
    dropped = dropped_candles(raw, candles, now)
    assert len(candles) + len(dropped) + 1 == len(raw.open_time)  # one is a mere repetition
    assert [bad.open_time for bad in dropped] == [first + HOUR, first + HOUR, None]
    assert dropped[0].series == Series("A", "1h")
    assert "close: positive" in dropped[0].reason
    assert "conflict" in dropped[1].reason
    assert dropped[2].content.startswith("open_time=soon, open=5.0, ")
