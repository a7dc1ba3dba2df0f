"""What tests of storage faults share."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from driver_faults import FaultPlan, driver_faults
from stratkernel.kernel.clock import SystemClock


@pytest.fixture
def faults() -> Iterator[FaultPlan]:
    """Connections that are made during the test answer to this plan."""
    plan = FaultPlan()
    with driver_faults(plan):
        yield plan


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between attempts take no time; gives how long they would have been."""
    waits: list[float] = []
    monkeypatch.setattr(SystemClock, "sleep", lambda _, seconds: waits.append(seconds))
    return waits


@pytest.fixture
def assert_intact() -> Callable[[str], None]:
    """Whether SQLite finds its file without fault; a server checks its own."""

    def check(url: str) -> None:
        if url.startswith("sqlite"):
            path = Path(url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    return check
