"""The tables. Times are BIGINT microseconds UTC; nothing here is the `signals` table of a trading bot."""

from typing import Final

import sqlalchemy as sa

from stratkernel_database.json_column import JsonObject

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
VERSION_TABLE: Final = "stratkernel_schema_version"
"""Of our own, since others keep theirs in `alembic_version`."""

metadata: Final = sa.MetaData(naming_convention=NAMING)

_JSON: Final = JsonObject(none_as_null=True)
_MICROS: Final = sa.BigInteger()
_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows only of INTEGER
_NAME: Final = sa.String(200)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        sa.column(column).in_([sa.literal_column(f"'{value}'") for value in values]), name=column
    )


def _between(column: str, least: int, most: int) -> sa.CheckConstraint:
    lower: sa.ColumnElement[int] = sa.literal_column(str(least))
    upper: sa.ColumnElement[int] = sa.literal_column(str(most))
    return sa.CheckConstraint(sa.column(column).between(lower, upper), name=column)


strategy_runs: Final = sa.Table(
    "strategy_runs",
    metadata,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("run_id", sa.Uuid(), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("strategy", _NAME, nullable=False),
    sa.Column("strategy_name", _NAME, nullable=False),
    sa.Column("strategy_config", _JSON, nullable=False),
    sa.Column("config_hash", sa.String(64), nullable=False),
    sa.Column("plugins", _JSON, nullable=False),
    sa.Column("venue", _NAME, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("timeframe", sa.String(8), nullable=False),
    sa.Column("origin", _MICROS, nullable=False),
    sa.Column("span_start", _MICROS, nullable=False),
    sa.Column("span_end", _MICROS, nullable=False),
    sa.Column("data_hash", sa.String(64), nullable=False),
    sa.Column("candles", sa.BigInteger(), nullable=False),
    sa.Column("costs", _JSON, nullable=False),
    sa.Column("engine_version", sa.String(64), nullable=False),
    sa.Column("started_at", _MICROS, nullable=False),
    sa.Column("finished_at", _MICROS),
    sa.Column("metrics", _JSON, nullable=False),
    sa.Column("quality", _JSON, nullable=False),
    sa.Column("timings", _JSON, nullable=False),
    sa.Column("error", sa.Text()),
    sa.Column("starred", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("batch", _NAME),
    sa.Column("signal_count", sa.BigInteger(), nullable=False),
    sa.Column("deleted_at", _MICROS),
    _one_of("kind", "run", "batch", "sweep", "live"),
    _one_of("status", "running", "done", "failed", "cancelled"),
    sa.Index(None, "strategy_name", "symbol", "timeframe"),
    sa.Index(None, "config_hash", "data_hash"),
    sa.Index(None, "kind", "started_at"),
    sa.Index(None, "batch"),
    sa.Index(None, "deleted_at"),
)
"""One row a run, with all that decided its signals and what became of it.

A run with `deleted_at` is gone for everybody; cleaning up takes its signals away in batches, then the row.
"""

strategy_signals: Final = sa.Table(
    "strategy_signals",
    metadata,
    sa.Column("run", _KEY, sa.ForeignKey("strategy_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("timestamp", _MICROS, primary_key=True, autoincrement=False),
    sa.Column("signal_type", sa.SmallInteger(), primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("status", sa.SmallInteger(), nullable=False),
    sa.Column("flags", sa.SmallInteger(), nullable=False),
    sa.Column("price", sa.Double(), nullable=False),
    sa.Column("confidence", sa.Double(), nullable=False),
    sa.Column("is_current", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("strategy_name", _NAME, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("timeframe", sa.String(8), nullable=False),
    sa.Column("strategy_config", _JSON),
    sa.Column("signal_metadata", _JSON),
    _between("signal_type", 0, 4),
    _between("status", 0, 2),
    _between("confidence", 0, 1),
    sa.Index(None, "strategy_name", "symbol", "timeframe", "timestamp"),
    sqlite_with_rowid=False,
)
"""One row a revision of a signal; `strategy_config` is NULL where it is the run's.

`signal_type` is a code of `SignalType`, `status` a place in `SignalStatus`: as texts they would make rows a
fifth larger, and checking them inserts a third slower. `is_current` is false for what a later revision
replaced and for what was retracted. A run has one symbol and timeframe, so that they need not be part of
the key. Retention goes by runs (`kind`, `started_at`) and deletes by key, so that no index on the time alone
is needed: it would cost a third of the speed of inserts.
"""

market_series: Final = sa.Table(
    "market_series",
    metadata,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("venue", _NAME, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("timeframe", sa.String(8), nullable=False),
    sa.Column("calendar", sa.String(16), nullable=False),
    sa.Column("calendar_given", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("omits_empty", sa.Boolean(create_constraint=False), nullable=False),
    sa.UniqueConstraint("venue", "symbol", "timeframe"),
)
"""`calendar_given` is false where the calendar was inferred, so that later candles may tell another one."""

market_data: Final = sa.Table(
    "market_data",
    metadata,
    # no foreign key: it makes bulk writes on PostgreSQL three times slower; `db check` finds orphans
    sa.Column("series", _KEY, primary_key=True, autoincrement=False),
    sa.Column("open_time", _MICROS, primary_key=True, autoincrement=False),
    sa.Column("open", sa.Double(), nullable=False),
    sa.Column("high", sa.Double(), nullable=False),
    sa.Column("low", sa.Double(), nullable=False),
    sa.Column("close", sa.Double(), nullable=False),
    sa.Column("volume", sa.Double(), nullable=False),
    sa.Column("marked", sa.Boolean(create_constraint=False)),
    sqlite_with_rowid=False,
)
"""Candles by open time; `marked` is true where the admission gate repaired or flagged one, else NULL."""

realtime_checkpoints: Final = sa.Table(
    "realtime_checkpoints",
    metadata,
    sa.Column("run", _KEY, sa.ForeignKey("strategy_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("open_time", _MICROS, primary_key=True, autoincrement=False),
    sa.Column("state", sa.LargeBinary(), nullable=False),
    sa.Column("saved_at", _MICROS, nullable=False),
)

quarantined_candles: Final = sa.Table(
    "quarantined_candles",
    metadata,
    sa.Column("id", _KEY, primary_key=True),
    sa.Column("venue", _NAME, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("timeframe", sa.String(8), nullable=False),
    sa.Column("open_time", _MICROS),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("content", sa.Text(), nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("seen_at", _MICROS, nullable=False),
    sa.UniqueConstraint("venue", "symbol", "timeframe", "content_hash"),
)
"""Candles that the gate refused; `content_hash` covers time, reason and content: none is kept twice."""
