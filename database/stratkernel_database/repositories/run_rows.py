"""Runs as rows, and back."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from stratkernel.contracts.result import StrategyRun
from stratkernel.contracts.stored import RunKind, RunQuery, RunRecord, RunStatus
from stratkernel.kernel.errors import UsageError
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.repositories.values import (
    checked_json,
    checked_name,
    is_storable,
    micros_of,
    moment_of,
    same,
)

CHANGEABLE: Final = ("status", "started_at", "finished_at", "metrics", "quality", "timings", "error")
"""What saving a run again brings up to date; all else decides its id, or is the user's, as the star."""
MANY: Final = 1_000
"""Values in one query: SQLite allows 32,766."""


def values_of(record: RunRecord) -> dict[str, Any]:
    """The columns of a new run. Raises `UsageError` for what cannot be stored."""
    run, what = record.run, f"run {record.run_id}:"
    config = {
        "parameters": dict(run.parameters),
        "gaps": dict(run.gaps),
        "extra_timeframes": dict(run.extra_timeframes),
        "exits": dict(run.exits),
    }
    return {
        "run_id": record.run_id,
        "kind": RunKind(record.kind).value,
        "strategy": checked_name(run.strategy, f"{what} strategy"),
        "strategy_name": checked_name(run.strategy_name, f"{what} strategy_name"),
        "strategy_config": checked_json(config, f"{what} config"),
        "config_hash": run.config_hash,
        "plugins": checked_json(run.plugins, f"{what} plugins"),
        "venue": checked_name(run.venue, f"{what} venue"),
        "symbol": checked_name(run.symbol, f"{what} symbol"),
        "timeframe": checked_name(run.timeframe, f"{what} timeframe", 8),
        "origin": run.origin,
        "span_start": record.span[0],
        "span_end": record.span[1],
        "data_hash": checked_name(record.data_hash, f"{what} data_hash", 64),
        "candles": record.candles,
        "costs": checked_json(record.costs, f"{what} costs"),
        "engine_version": checked_name(record.engine_version, f"{what} engine_version", 64),
        "starred": record.starred,
        "batch": None if record.batch is None else checked_name(record.batch, f"{what} batch"),
        "signal_count": 0,
        **_changeable_of(record, what),
    }


def _changeable_of(record: RunRecord, what: str) -> dict[str, Any]:
    finished, error = record.finished_at, record.error
    if error is not None and not is_storable(error):
        error = error.replace("\x00", "?").encode(errors="replace").decode()
    return {
        "status": RunStatus(record.status).value,
        "started_at": micros_of(record.started_at, f"{what} started_at"),
        "finished_at": None if finished is None else micros_of(finished, f"{what} finished_at"),
        "metrics": checked_json(record.metrics, f"{what} metrics"),
        "quality": checked_json(record.quality, f"{what} quality"),
        "timings": checked_json(record.timings, f"{what} timings"),
        "error": error,
    }


def changeable_columns() -> list[sa.ColumnElement[Any]]:
    """What may change of a stored run, JSON as its text, to be compared with `values_of`."""
    return [
        sa.cast(runs.c[name], sa.Text).label(name)
        if name in {"metrics", "quality", "timings"}
        else runs.c[name]
        for name in CHANGEABLE
    ]


def record_of(row: "sa.Row[Any]") -> RunRecord:
    """The run of a row with all columns."""
    config = row.strategy_config
    return RunRecord(
        run_id=row.run_id,
        kind=RunKind(row.kind),
        run=StrategyRun(
            strategy=row.strategy,
            strategy_name=row.strategy_name,
            parameters=config["parameters"],
            plugins=row.plugins,
            venue=row.venue,
            symbol=row.symbol,
            timeframe=row.timeframe,
            origin=row.origin,
            gaps=config["gaps"],
            extra_timeframes=config["extra_timeframes"],
            exits=config["exits"],
        ),
        data_hash=row.data_hash,
        span=(row.span_start, row.span_end),
        candles=row.candles,
        costs=row.costs,
        engine_version=row.engine_version,
        started_at=moment_of(row.started_at),
        finished_at=None if row.finished_at is None else moment_of(row.finished_at),
        status=RunStatus(row.status),
        metrics=row.metrics,
        quality=row.quality,
        timings=row.timings,
        error=row.error,
        starred=row.starred,
        batch=row.batch,
        signal_count=row.signal_count,
    )


def select_runs(query: RunQuery) -> sa.Select[Any]:
    """The runs that a query asks for, the newest first."""
    found = sa.select(runs).where(runs.c.deleted_at.is_(None))
    if query.strategy is not None:
        names = (same(runs.c[name], query.strategy) for name in ("strategy", "strategy_name"))
        found = found.where(sa.or_(*names))
    for name in ("symbol", "timeframe", "venue", "kind", "status", "batch", "config_hash", "data_hash"):
        wanted = getattr(query, name)
        if wanted is not None:
            found = found.where(same(runs.c[name], str(wanted)))
    if query.starred is not None:
        found = found.where(runs.c.starred == query.starred)
    if query.since is not None:
        found = found.where(runs.c.started_at >= micros_of(query.since, "since"))
    if query.until is not None:
        found = found.where(runs.c.started_at < micros_of(query.until, "until"))
    return found.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(checked_limit(query.limit))


def checked_limit(limit: int | None) -> int | None:
    """How many rows at most. Raises `UsageError` for less than none."""
    if limit is not None and limit < 0:
        raise UsageError(f"limit is {limit}; expected 0 or more, or None for all")
    return limit


def records_by_key(connection: sa.Connection, keys: Sequence[int]) -> dict[int, RunRecord]:
    """Runs by their row numbers."""
    found: dict[int, RunRecord] = {}
    for start in range(0, len(keys), MANY):
        some = sa.select(runs).where(runs.c.id.in_(keys[start : start + MANY]))
        found |= {row.id: record_of(row) for row in connection.execute(some)}
    return found
