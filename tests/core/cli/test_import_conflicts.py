"""`stratkernel data import` of candles that contradict stored ones, or those of another file."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from both_databases import on_both_databases
from cli_output import as_json
from stratkernel.kernel.errors import StorageError
from stratkernel.testing.candles import candles_from_close, random_walk


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """600 hours, in `one.csv` of the folder that the commands run in."""
    monkeypatch.chdir(tmp_path)
    found: pd.DataFrame = candles_from_close(random_walk(600, seed=2)).frame
    found.to_csv("one.csv")
    return found


def changed(frame: pd.DataFrame, rows: int, **values: float) -> pd.DataFrame:
    """The frame with other values in its first rows."""
    other = frame.copy()
    for name, value in values.items():
        other.iloc[:rows, other.columns.get_loc(name)] = value
    return other


@on_both_databases
def test_rows_that_contradict_stored_ones_are_told_line_by_line_and_counted(
    stratkernel: Any, database: str, frame: pd.DataFrame
) -> None:
    assert stratkernel("data", "import", "one.csv", "--symbol", "A").code == 0
    changed(frame, 40, volume=11.0).to_csv("two.csv")
    outcome = stratkernel("data", "import", "two.csv", "--symbol", "A")
    assert (outcome.code, outcome.out) == (1, "")
    lines = outcome.err.splitlines()[-8:]
    assert lines[0] == (
        "stratkernel: A 1h: 40 of 600 candles of two.csv are stored with other values, nothing of this "
        "series was written:"
    )
    old = float(frame["volume"].iloc[0])
    assert lines[1] == f"  {frame.index[0]:%Y-%m-%dT%H:%M:%SZ}  volume {old!r} stored, 11.0 new"
    assert [line[:2] for line in lines[1:6]] == ["  "] * 5
    assert lines[6] == "  and 35 more; --conflicts FILE writes all of them"
    assert lines[7].startswith("Overwrite them (--overwrite)")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_conflicts_flag_writes_every_value_that_differs(
    stratkernel: Any, database: str, frame: pd.DataFrame, suffix: str
) -> None:
    assert stratkernel("data", "import", "one.csv", "--symbol", "A").code == 0
    changed(frame, 40, volume=11.0, high=1e6).to_csv("two.csv")
    outcome = stratkernel("data", "import", "two.csv", "--symbol", "A", "--conflicts", f"all.{suffix}")
    assert outcome.code == 1
    assert f"All of them are in all.{suffix}." in outcome.err
    found = pd.read_csv("all.csv") if suffix == "csv" else pd.read_parquet("all.parquet")
    assert len(found) == 80
    volumes = found[found["column"] == "volume"]
    assert volumes["old"].tolist() == frame["volume"].iloc[:40].tolist()
    assert set(volumes["new"]) == {11.0}
    assert pd.to_datetime(volumes["open_time"], utc=True).tolist() == frame.index[:40].tolist()
    assert set(zip(found["old_from"], found["new_from"], strict=True)) == {("the database", "two.csv")}


def test_conflicts_flag_writes_no_file_where_nothing_contradicts(
    stratkernel: Any, database: str, frame: pd.DataFrame
) -> None:
    assert stratkernel("data", "import", "one.csv", "--conflicts", "all.csv").code == 0
    assert not Path("all.csv").exists()
    refused = stratkernel("data", "import", "one.csv", "--conflicts", "all.txt")
    assert (refused.code, "--conflicts all.txt: expected a file that ends in .csv" in refused.err) == (
        2,
        True,
    )


@on_both_databases
def test_files_of_one_command_that_contradict_each_other_are_both_named(
    stratkernel: Any, database: str, frame: pd.DataFrame
) -> None:
    changed(frame, 7, close=frame["low"].iloc[:7].to_numpy()).to_csv("two.csv")
    frame.iloc[500:].to_csv("late.csv")
    outcome = stratkernel("data", "import", "late.csv", "one.csv", "two.csv", "--symbol", "A")
    assert (outcome.code, outcome.out) == (1, "")
    assert "A 1h: 7 of 600 candles of two.csv are in one.csv with other values" in outcome.err
    assert " there, " in outcome.err
    assert "stored" not in outcome.err.split("with other values", 1)[1]
    assert "Leave one of the files out, or let the later one win (--overwrite)" in outcome.err
    assert as_json(stratkernel("data", "list", "--json")) == []
    won = stratkernel("data", "import", "late.csv", "one.csv", "two.csv", "--symbol", "A", "--overwrite")
    assert won.code == 0
    assert stratkernel("data", "import", "two.csv", "--symbol", "A").out == "A 1h: 0 new, 600 unchanged\n"


def test_conflict_of_one_series_is_told_also_when_the_next_one_cannot_be_stored(
    stratkernel: Any, database: str, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stratkernel.cli import data_import

    assert stratkernel("data", "import", "one.csv").code == 0
    changed(frame, 1, volume=11.0).to_csv("one.csv")
    frame.to_csv("two.csv")
    store = data_import._store

    def fail_for_two(storage: Any, batch: Any, *, overwrite: bool) -> Any:
        if batch.series.symbol == "two":
            raise StorageError("the disk went away")
        return store(storage, batch, overwrite=overwrite)

    monkeypatch.setattr(data_import, "_store", fail_for_two)
    outcome = stratkernel("data", "import", "one.csv", "two.csv", "--conflicts", "all.csv")
    assert outcome.code == 1
    assert "one 1h: 1 of 600 candles of one.csv are stored with other values" in outcome.err
    assert outcome.err.endswith("stratkernel: the disk went away\n")
    assert len(pd.read_csv("all.csv")) == 1
