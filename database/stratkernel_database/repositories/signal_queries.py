"""Which signals a query asks for."""

from typing import Any

import sqlalchemy as sa

from stratkernel.contracts.stored import SignalQuery
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories.run_rows import MANY
from stratkernel_database.repositories.values import micros_of, same

Condition = sa.ColumnElement[bool]
Columns = sa.FromClause
"""`strategy_signals`, or a query with the same columns."""


def of_runs(connection: sa.Connection, query: SignalQuery) -> list[Condition]:
    """What a query asks of the runs: which they are, and that they are not being deleted."""
    deleted = sa.select(runs.c.id).where(runs.c.deleted_at.is_not(None))
    conditions: list[Condition] = [signals.c.run.not_in(deleted)]
    if query.strategy is not None:
        conditions.append(_of_strategy(connection, query.strategy))
    for name, wanted in (("symbol", query.symbol), ("timeframe", query.timeframe)):
        if wanted is not None:
            conditions.append(same(signals.c[name], wanted))
    if query.run_ids is not None:
        keys: list[int] = []
        for start in range(0, len(query.run_ids), MANY):
            some = runs.c.run_id.in_(query.run_ids[start : start + MANY])
            keys += connection.execute(sa.select(runs.c.id).where(some)).scalars()
        # numbers of rows go into the text of the query: parameters are limited to some ten thousands
        listed = sa.bindparam("run_keys", keys, expanding=True, literal_execute=True, type_=runs.c.id.type)
        conditions.append(signals.c.run.in_(listed))
    return conditions


def _of_strategy(connection: sa.Connection, strategy: str) -> Condition:
    """A strategy's name, as each signal has it, or the qualified id that only its run has."""
    named = same(signals.c.strategy_name, strategy)
    qualified = sa.select(runs.c.id).where(same(runs.c.strategy, strategy))
    if connection.execute(qualified.limit(1)).first() is None:
        return named  # alone it can use an index
    return sa.or_(named, signals.c.run.in_(qualified))


def of_rows(query: SignalQuery, columns: Columns = signals) -> list[Condition]:
    """What a query asks of each signal: time, type and confidence."""
    conditions: list[Condition] = []
    if query.start is not None:
        conditions.append(columns.c.timestamp >= micros_of(query.start, "start"))
    if query.end is not None:
        conditions.append(columns.c.timestamp < micros_of(query.end, "end"))
    if query.types is not None:
        conditions.append(columns.c.signal_type.in_([int(kind) for kind in query.types]))
    if query.min_confidence is not None:
        conditions.append(columns.c.confidence >= query.min_confidence)
    if query.max_confidence is not None:
        conditions.append(columns.c.confidence <= query.max_confidence)
    return conditions


def is_current(query: SignalQuery) -> list[Condition]:
    """What a query asks of revisions."""
    return [signals.c.is_current] if query.current else []


def all_of(connection: sa.Connection, query: SignalQuery) -> list[Any]:
    """All that a query asks for."""
    return [*of_runs(connection, query), *of_rows(query), *is_current(query)]
