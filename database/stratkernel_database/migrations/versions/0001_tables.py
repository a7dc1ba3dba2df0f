"""Runs and their signals, candles by series, checkpoints of live runs, candles put aside."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final[str | None] = None
branch_labels: Final[Sequence[str] | None] = None
depends_on: Final[Sequence[str] | None] = None

_JSON: Final = sa.JSON(none_as_null=True)
_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _strategy_runs()
    _strategy_signals()
    _market_series()
    _market_data()
    _realtime_checkpoints()
    _quarantined_candles()


def downgrade() -> None:
    for table in (
        "quarantined_candles",
        "realtime_checkpoints",
        "market_data",
        "market_series",
        "strategy_signals",
        "strategy_runs",
    ):
        op.drop_table(table)


def _required(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{value}'") for value in values]
    return sa.CheckConstraint(sa.column(column).in_(allowed), name=op.f(f"ck_{table}_{column}"))


def _between(table: str, column: str, least: int, most: int) -> sa.CheckConstraint:
    lower: sa.ColumnElement[int] = sa.literal_column(str(least))
    upper: sa.ColumnElement[int] = sa.literal_column(str(most))
    condition = sa.column(column).between(lower, upper)
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{column}"))


def _strategy_runs() -> None:
    op.create_table(
        "strategy_runs",
        _required("id", _KEY),
        _required("run_id", sa.Uuid()),
        _required("kind", sa.String(16)),
        _required("status", sa.String(16)),
        _required("strategy", sa.String(200)),
        _required("strategy_name", sa.String(200)),
        _required("strategy_config", _JSON),
        _required("config_hash", sa.String(64)),
        _required("plugins", _JSON),
        _required("venue", sa.String(200)),
        _required("symbol", sa.String(200)),
        _required("timeframe", sa.String(8)),
        _required("origin", sa.BigInteger()),
        _required("span_start", sa.BigInteger()),
        _required("span_end", sa.BigInteger()),
        _required("data_hash", sa.String(64)),
        _required("candles", sa.BigInteger()),
        _required("costs", _JSON),
        _required("engine_version", sa.String(64)),
        _required("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        _required("metrics", _JSON),
        _required("quality", _JSON),
        _required("timings", _JSON),
        sa.Column("error", sa.Text()),
        _required("starred", sa.Boolean()),
        sa.Column("batch", sa.String(200)),
        _required("signal_count", sa.BigInteger()),
        sa.Column("deleted_at", sa.BigInteger()),
        _one_of("strategy_runs", "kind", "run", "batch", "sweep", "live"),
        _one_of("strategy_runs", "status", "running", "done", "failed", "cancelled"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_runs")),
        sa.UniqueConstraint("run_id", name=op.f("uq_strategy_runs_run_id")),
    )
    for columns in (
        ["strategy_name", "symbol", "timeframe"],
        ["config_hash", "data_hash"],
        ["kind", "started_at"],
        ["batch"],
        ["deleted_at"],
    ):
        op.create_index(op.f("_".join(["ix_strategy_runs", *columns])), "strategy_runs", columns)


def _strategy_signals() -> None:
    op.create_table(
        "strategy_signals",
        _required("run", _KEY),
        _required("timestamp", sa.BigInteger(), autoincrement=False),
        _required("signal_type", sa.SmallInteger(), autoincrement=False),
        _required("revision", sa.Integer(), autoincrement=False),
        _required("status", sa.SmallInteger()),
        _required("flags", sa.SmallInteger()),
        _required("price", sa.Double()),
        _required("confidence", sa.Double()),
        _required("is_current", sa.Boolean()),
        _required("strategy_name", sa.String(200)),
        _required("symbol", sa.String(200)),
        _required("timeframe", sa.String(8)),
        sa.Column("strategy_config", _JSON),
        sa.Column("signal_metadata", _JSON),
        _between("strategy_signals", "signal_type", 0, 4),
        _between("strategy_signals", "status", 0, 2),
        _between("strategy_signals", "confidence", 0, 1),
        sa.ForeignKeyConstraint(
            ["run"], ["strategy_runs.id"], name=op.f("fk_strategy_signals_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "run", "timestamp", "signal_type", "revision", name=op.f("pk_strategy_signals")
        ),
        sqlite_with_rowid=False,
    )
    columns = ["strategy_name", "symbol", "timeframe", "timestamp"]
    op.create_index(op.f("_".join(["ix_strategy_signals", *columns])), "strategy_signals", columns)


def _market_series() -> None:
    op.create_table(
        "market_series",
        _required("id", _KEY),
        _required("venue", sa.String(200)),
        _required("symbol", sa.String(200)),
        _required("timeframe", sa.String(8)),
        _required("calendar", sa.String(16)),
        _required("calendar_given", sa.Boolean()),
        _required("omits_empty", sa.Boolean()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_series")),
        sa.UniqueConstraint(
            "venue", "symbol", "timeframe", name=op.f("uq_market_series_venue_symbol_timeframe")
        ),
    )


def _market_data() -> None:
    op.create_table(
        "market_data",
        _required("series", _KEY, autoincrement=False),
        _required("open_time", sa.BigInteger(), autoincrement=False),
        *(_required(name, sa.Double()) for name in ("open", "high", "low", "close", "volume")),
        sa.Column("marked", sa.Boolean()),
        sa.PrimaryKeyConstraint("series", "open_time", name=op.f("pk_market_data")),
        sqlite_with_rowid=False,
    )


def _realtime_checkpoints() -> None:
    op.create_table(
        "realtime_checkpoints",
        _required("run", _KEY),
        _required("open_time", sa.BigInteger(), autoincrement=False),
        _required("state", sa.LargeBinary()),
        _required("saved_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["run"], ["strategy_runs.id"], name=op.f("fk_realtime_checkpoints_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "open_time", name=op.f("pk_realtime_checkpoints")),
    )


def _quarantined_candles() -> None:
    op.create_table(
        "quarantined_candles",
        _required("id", _KEY),
        _required("venue", sa.String(200)),
        _required("symbol", sa.String(200)),
        _required("timeframe", sa.String(8)),
        sa.Column("open_time", sa.BigInteger()),
        _required("reason", sa.Text()),
        _required("content", sa.Text()),
        _required("content_hash", sa.String(64)),
        _required("seen_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_candles")),
        sa.UniqueConstraint(
            "venue",
            "symbol",
            "timeframe",
            "content_hash",
            name=op.f("uq_quarantined_candles_venue_symbol_timeframe_content_hash"),
        ),
    )
