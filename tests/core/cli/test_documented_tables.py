"""docs/storage.md on reading the tables with SQL: its query runs, and its codes are those of the program."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cli_output import as_json
from stratkernel.contracts.signals import SignalFlag, SignalType
from stratkernel.contracts.stored import SignalStatus

PAGE = (Path(__file__).parents[3] / "docs" / "storage.md").read_text(encoding="utf-8")


def codes(column: str) -> dict[int, str]:
    """The codes of a column, from the row of the table that explains it."""
    (row,) = re.findall(rf"^\| `{column}` \| (.*) \|$", PAGE, re.MULTILINE)
    return {int(code): name for code, name in re.findall(r"(\d+) `(\w+)`", row)}


def test_documented_codes_are_those_that_are_stored() -> None:
    assert codes("signal_type") == {kind.value: kind.name for kind in SignalType}
    assert codes("status") == {place: status.value for place, status in enumerate(SignalStatus)}
    assert codes("flags") == {flag.value: str(flag.name).lower() for flag in SignalFlag}


def test_documented_query_gives_the_signals_of_the_last_run(
    stratkernel: Any, home: Path, candles: str
) -> None:
    bought = ("run", "macd", "--data", candles, "--symbol", "BTC/USDT", "--save", "--json")
    printed = as_json(stratkernel(*bought))
    (query,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    with closing(sqlite3.connect(home / "stratkernel.db")) as connection:
        rows = connection.execute(query).fetchall()
    entries = [signal for signal in printed["signals"] if signal["type"] == "ENTRY_LONG"]
    assert [row[3] for row in rows] == [signal["price"] for signal in entries]
    assert {row[0] for row in rows} == {printed["run_id"].replace("-", "")}
