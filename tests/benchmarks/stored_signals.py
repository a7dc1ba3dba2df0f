"""A run's signals into SQLite and PostgreSQL, against SQLAlchemy Core's executemany with dicts, in one run.

Both write the same rows to the same tables with the same indexes and checks, each signal with one number of
metadata, and both start from columns: the engine's arrays, and for the peer lists of what it takes.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.benchmarks.harness import markdown
from tests.benchmarks.storage import POSTGRESQL, SQLITE, Folder, Turn, in_turns
from tests.support.postgres import test_server

from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import RunRecord
from stratkernel.testing.storage.samples import made_run, made_signals
from stratkernel_database.connection import Database
from stratkernel_database.models import strategy_runs, strategy_signals
from stratkernel_database.repositories.strategy import StrategyRepository

SIGNALS = 100_000
ROUNDS = 3
_AT_ONCE = 10_000


def made() -> tuple[RunRecord, SignalTable]:
    """A run and its signals."""
    run = made_run()
    return run, made_signals(run, SIGNALS, {"spread": [number / 7 for number in range(SIGNALS)]})


def stored(database: Database) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that ours writes, as dicts of what Core takes."""
    run, signals = made()
    StrategyRepository(database).save_run(run, signals)

    def rows(table: sa.Table) -> list[dict[str, Any]]:
        return database.read(
            lambda connection: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        )

    return rows(strategy_runs), rows(strategy_signals)


def ratios(folder: Folder, name: str) -> tuple[float, float, float]:
    """Seconds of ours, how many times as long Core takes, and bytes a signal."""
    new = folder.sqlite if name == SQLITE else folder.postgresql
    run, signals = made()
    first = new()
    before = first.dialect.size(first.engine)
    runs, rows = stored(first)
    names, columns = list(rows[0]), list(zip(*(row.values() for row in rows), strict=True))
    size = (first.dialect.size(first.engine) - before) / SIGNALS
    folder.drop(first)

    def core(database: Database) -> None:
        with database.engine.begin() as connection:
            connection.execute(sa.insert(strategy_runs), runs)
            for start in range(0, SIGNALS, _AT_ONCE):
                part = zip(*(column[start : start + _AT_ONCE] for column in columns), strict=True)
                dicts = [dict(zip(names, row, strict=True)) for row in part]
                connection.execute(sa.insert(strategy_signals), dicts)

    def ours(database: Database) -> None:
        StrategyRepository(database).save_run(run, signals)

    found = in_turns({"ours": Turn(ours, new, folder.drop), "Core": Turn(core, new, folder.drop)}, ROUNDS)
    return found.typical("ours"), found.ratio("Core", "ours"), size


def table() -> str:
    """Seconds, how many times as fast, and sizes."""
    lines = []
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = Folder(path, stack.enter_context(test_server()))
        for name in (SQLITE, POSTGRESQL):
            seconds, ratio, size = ratios(folder, name)
            lines += [("insert", name, seconds, f"{ratio:.2f} x as fast as Core with dicts", "at least 3")]
            lines += [("bytes a signal", name, size, "", "at most 200" if name == SQLITE else "")]
    return markdown((f"{SIGNALS:,} signals", "in", "seconds or figure", "ratio", "goal"), lines)


if __name__ == "__main__":
    print(table())
