"""A second revision, made up for tests, and what the tests of migrations need to look at databases."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stratkernel_database.connection import Database
from stratkernel_database.migrate import History, prepare
from stratkernel_database.migrations import REVISIONS
from stratkernel_database.models import VERSION_TABLE

SECOND = "9001"
_SCRIPT = """
import sqlalchemy as sa
from alembic import op
from stratkernel_database.migrations.rebuild import altering

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
"""


def made_history(folder: Path, upgrade: str, downgrade: str = "pass") -> History:
    """A history whose newest revision does what the two statements say."""
    versions = folder / "versions"
    versions.mkdir(exist_ok=True)
    text = _SCRIPT.format(revision=SECOND, before=REVISIONS[-1], upgrade=upgrade, downgrade=downgrade)
    (versions / f"{SECOND}_made.py").write_text(text, encoding="utf-8")
    return History((*REVISIONS, SECOND), (versions,))


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def prepared(url: str, *, migrate: bool | None = None, history: History | None = None) -> None:
    """What opening a database does to its tables."""
    with opened(url) as database:
        prepare(database, url, migrate=migrate, history=history)


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements as a stranger to this project would; gives the rows of the last one."""
    rows: list[Any] = []
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    return rows


def set_revision(url: str, revision: str) -> None:
    """Say that the tables have a revision, whatever they are."""
    versions = sa.table(VERSION_TABLE, sa.column("version_num"))
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        connection.execute(sa.update(versions).values(version_num=revision))


def table_names(url: str) -> set[str]:
    with opened(url) as database:
        return set(sa.inspect(database.engine).get_table_names())


def make_live_signals(url: str) -> None:
    """The table of a trading bot that shares the database, and the version table of its own migrations."""
    execute(
        url,
        "CREATE TABLE signals (id INTEGER PRIMARY KEY, strategy TEXT, at TIMESTAMP, price NUMERIC(20, 8))",
        "CREATE INDEX live_by_time ON signals (at)",
        "INSERT INTO signals VALUES (1, 'ema', '2024-01-31 12:00:00', 42000.5), (2, 'rsi', NULL, 0.1)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('bot-17')",
    )


def live_checksum(url: str) -> str:
    """Of rows, columns and indexes of what is not ours."""
    rows = execute(url, "SELECT * FROM signals ORDER BY id")
    versions = execute(url, "SELECT * FROM alembic_version")
    with opened(url) as database:
        inspector = sa.inspect(database.engine)
        shape = [
            (name, str(inspector.get_columns(name)), str(inspector.get_indexes(name)))
            for name in ("alembic_version", "signals")
        ]
    return hashlib.sha256(repr((rows, versions, shape)).encode()).hexdigest()


def add_run_with_signals(url: str, signals: int) -> None:
    """One run and signals of it, straight into the tables."""
    from stratkernel_database.models import strategy_runs, strategy_signals

    run = {
        "run_id": UUID(int=7), "kind": "run", "status": "done", "strategy": "a:b",
        "strategy_name": "b", "strategy_config": {}, "config_hash": "0" * 64, "plugins": {}, "venue": "local",
        "symbol": "X", "timeframe": "1h", "origin": 0, "span_start": 0, "span_end": 1, "data_hash": "1" * 64,
        "candles": 1, "costs": {}, "engine_version": "0", "started_at": 0, "metrics": {}, "quality": {},
        "timings": {}, "starred": False, "signal_count": signals,
    }  # fmt: skip
    with opened(url) as database, database.dialect.writing(database.engine) as connection:
        key = connection.execute(sa.insert(strategy_runs).values(run)).inserted_primary_key[0]
        rows = [
            {
                "run": key, "timestamp": i, "signal_type": 3, "revision": 0, "flags": 0, "price": 1.5,
                "confidence": 0.5, "is_current": True, "status": 0, "strategy_name": "b", "symbol": "X",
                "timeframe": "1h",
            }
            for i in range(signals)
        ]  # fmt: skip
        connection.execute(sa.insert(strategy_signals), rows)
