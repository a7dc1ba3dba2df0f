"""Signals counted, averaged and judged by the database."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.stored import SignalGroup, SignalQuery, SignalStatistics, WinRule
from stratkernel.contracts.timeframes import DAY
from stratkernel.kernel.errors import UsageError
from stratkernel_database.models import market_data, market_series
from stratkernel_database.models import strategy_runs as runs
from stratkernel_database.models import strategy_signals as signals
from stratkernel_database.repositories.signal_queries import all_of, of_rows, of_runs

_EARLY: Final = 1_000_000  # days; makes times before 1970 positive, which databases divide alike
_LONG: Final = int(SignalType.ENTRY_LONG)
_SHORT: Final = int(SignalType.ENTRY_SHORT)
_AGAINST_LONG: Final = (int(SignalType.EXIT_LONG), _SHORT)
_AGAINST_SHORT: Final = (int(SignalType.EXIT_SHORT), _LONG)
_GROUPS: Final[dict[str, Callable[[sa.FromClause], sa.ColumnElement[Any]]]] = {
    "strategy": lambda columns: columns.c.strategy_name,
    "symbol": lambda columns: columns.c.symbol,
    "timeframe": lambda columns: columns.c.timeframe,
    "day": lambda columns: (columns.c.timestamp + _EARLY * DAY) // DAY - _EARLY,
}


def read_statistics(
    connection: sa.Connection, by: Sequence[SignalGroup], query: SignalQuery, win_rule: WinRule | None
) -> list[SignalStatistics]:
    """Statistics of the signals of a query, a group each, by the names of the groups.

    Raises:
        UsageError: there is no such group or rule.
    """
    unknown = [name for name in by if name not in _GROUPS]
    if unknown:
        raise UsageError(f"signals cannot be grouped by {unknown[0]!r}; expected {', '.join(_GROUPS)}")
    decided = {} if win_rule is None else _decided(connection, by, query, win_rule)
    types = [sa.func.sum(sa.case((signals.c.signal_type == int(kind), 1), else_=0)) for kind in SignalType]
    groups = _columns(by, signals)
    select = (
        sa.select(
            *groups,
            sa.func.count(),
            sa.func.avg(signals.c.confidence),
            sa.func.min(signals.c.timestamp),
            sa.func.max(signals.c.timestamp),
            *types,
        )
        .where(*all_of(connection, query))
        .group_by(*groups)
        .having(sa.func.count() > 0)
    )
    found = []
    for row in connection.execute(select):
        group, (count, mean, first, last, *counts) = row[: len(by)], row[len(by) :]
        outcome = decided.get(tuple(group), (0, 0))
        found.append(
            SignalStatistics(
                group={name: _text(name, value) for name, value in zip(by, group, strict=True)},
                count=count,
                by_type={
                    kind.name: int(number) for kind, number in zip(SignalType, counts, strict=True) if number
                },
                mean_confidence=float(mean),
                first=first,
                last=last,
                decided=outcome[0],
                won=outcome[1],
            )
        )
    return sorted(found, key=lambda each: tuple(each.group.values()))


def _decided(
    connection: sa.Connection, by: Sequence[SignalGroup], query: SignalQuery, rule: WinRule
) -> dict[tuple[Any, ...], tuple[int, int]]:
    """By group, how many entries were decided, and how many of those were won."""
    if rule.name == "next_signal":
        judged = _until_next_signal(connection, query)
    elif rule.name == "horizon_bars" and rule.bars >= 1:
        judged = _after_bars(connection, query, rule.bars)
    else:
        raise UsageError(
            f"no win rule {rule.name!r} of {rule.bars} bars; expected next_signal, or horizon_bars of 1 or "
            "more"
        )
    moved = judged.c.outcome - judged.c.price
    won = sa.or_(
        sa.and_(judged.c.signal_type == _LONG, moved > 0), sa.and_(judged.c.signal_type == _SHORT, moved < 0)
    )
    groups = _columns(by, judged)
    select = (
        sa.select(*groups, sa.func.count(), sa.func.sum(sa.case((won, 1), else_=0)))
        .where(judged.c.outcome.is_not(None), *of_rows(query, judged))
        .group_by(*groups)
    )
    return {
        tuple(row[: len(by)]): (row[len(by)], int(row[len(by) + 1] or 0))
        for row in connection.execute(select)
    }


def _until_next_signal(connection: sa.Connection, query: SignalQuery) -> sa.Subquery:
    """Entries with the price of their run's next opposite signal, whatever its confidence and the range."""
    later: dict[str, Any] = {
        "partition_by": signals.c.run,
        "order_by": signals.c.timestamp.desc(),
        "range_": (None, -1),  # backwards in time, so that each frame adds to the one before
    }
    entries = (
        sa.select(
            *_judged_columns(),
            sa.case(
                (
                    signals.c.signal_type == _LONG,
                    sa.func.min(_time_of(_AGAINST_LONG)).over(**later),
                ),
                (
                    signals.c.signal_type == _SHORT,
                    sa.func.min(_time_of(_AGAINST_SHORT)).over(**later),
                ),
            ).label("until"),
        )
        .where(signals.c.is_current, *of_runs(connection, query))
        .subquery()
    )
    end = signals.alias("end_signals")
    opposite = sa.or_(
        sa.and_(entries.c.signal_type == _LONG, end.c.signal_type.in_(_AGAINST_LONG)),
        sa.and_(entries.c.signal_type == _SHORT, end.c.signal_type.in_(_AGAINST_SHORT)),
    )
    outcome = (
        sa.select(sa.func.min(end.c.price))
        .where(end.c.run == entries.c.run, end.c.timestamp == entries.c.until, end.c.is_current, opposite)
        .scalar_subquery()
    )
    return sa.select(*entries.c, outcome.label("outcome")).where(entries.c.until.is_not(None)).subquery()


def _after_bars(connection: sa.Connection, query: SignalQuery, bars: int) -> sa.Subquery:
    """Entries with the close of the candle that is `bars` stored candles after theirs."""
    outcome = (
        sa.select(market_data.c.close)
        .where(
            market_data.c.series == market_series.c.id,
            market_data.c.open_time >= signals.c.timestamp,  # the signal's own candle closes then
        )
        .order_by(market_data.c.open_time)
        .offset(bars - 1)
        .limit(1)
        .correlate(signals, market_series)
        .scalar_subquery()
    )
    return (
        sa.select(*_judged_columns(), outcome.label("outcome"))
        .join(runs, runs.c.id == signals.c.run)
        .join(
            market_series,
            sa.and_(
                market_series.c.venue == runs.c.venue,
                market_series.c.symbol == runs.c.symbol,
                market_series.c.timeframe == runs.c.timeframe,
            ),
        )
        .where(
            signals.c.is_current,
            signals.c.signal_type.in_((_LONG, _SHORT)),
            *of_runs(connection, query),
        )
        .subquery()
    )


def _judged_columns() -> list[sa.Column[Any]]:
    names = (
        "run", "timestamp", "signal_type", "price", "confidence", "strategy_name", "symbol", "timeframe"
    )  # fmt: skip
    return [signals.c[name] for name in names]


def _time_of(types: tuple[int, ...]) -> sa.ColumnElement[int]:
    return sa.case((signals.c.signal_type.in_(types), signals.c.timestamp))


def _columns(by: Sequence[SignalGroup], columns: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [_GROUPS[name](columns).label(f"group_{place}") for place, name in enumerate(by)]


def _text(name: str, value: Any) -> str:
    return str(np.datetime64(int(value), "D")) if name == "day" else str(value)
