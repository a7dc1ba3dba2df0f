"""Rows of `market_series`: which series there are, what is known of them, how many candles they have."""

from typing import Any, TypeAlias

import sqlalchemy as sa

from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.stored import Series, StoredSeries
from stratkernel.kernel.errors import UnknownNameError, did_you_mean
from stratkernel_database.models import market_data, market_series

Row: TypeAlias = sa.Row[Any]


def is_series(table: sa.Table, series: Series) -> list[sa.ColumnElement[bool]]:
    """Rows of a table that are of a series."""
    return [
        table.c.venue == series.venue,
        table.c.symbol == series.symbol,
        table.c.timeframe == series.timeframe,
    ]


def find_series(connection: sa.Connection, series: Series, *, lock: bool = False) -> Row | None:
    """The row of a series; `lock` keeps it from others until the transaction ends."""
    select = sa.select(market_series).where(*is_series(market_series, series))
    return connection.execute(select.with_for_update() if lock else select).one_or_none()


def known_series(connection: sa.Connection, series: Series) -> Row:
    """The row of a series. Raises `UnknownNameError`, which says which there are."""
    found = find_series(connection, series)
    if found is not None:
        return found
    table = market_series.c
    select = sa.select(table.symbol, table.timeframe, table.venue)
    stored = sorted((Series(*row) for row in connection.execute(select)), key=place_of)
    names = [str(each) for each in stored]
    if not names:
        raise UnknownNameError(f"no candles of {series} are stored, nor any others; import some first")
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    raise UnknownNameError(
        f"no candles of {series} are stored.{did_you_mean(str(series), names)} "
        f"Stored are: {', '.join(names[:20])}{more}"
    )


def stored_series(connection: sa.Connection, *chosen: sa.ColumnElement[bool]) -> list[StoredSeries]:
    """The series of which all that is `chosen` holds, and how much of each is stored, in their order."""
    data, table = market_data.c, market_series.c
    spans = (
        sa.select(
            data.series,
            sa.func.count().label("candles"),
            sa.func.min(data.open_time).label("first"),
            sa.func.max(data.open_time).label("last"),
        )
        .where(data.series.in_(sa.select(table.id).where(*chosen)))
        .group_by(data.series)
        .subquery()
    )
    select = (
        sa.select(
            market_series,
            sa.func.coalesce(spans.c.candles, 0).label("candles"),
            spans.c.first,
            spans.c.last,
        )
        .join_from(market_series, spans, table.id == spans.c.series, isouter=True)
        .where(*chosen)
    )
    found = [
        StoredSeries(
            Series(row.symbol, row.timeframe, row.venue),
            Calendar(row.calendar),
            bool(row.omits_empty),
            row.candles,
            row.first,
            row.last,
            bool(row.calendar_given),
        )
        for row in connection.execute(select)
    ]
    return sorted(found, key=lambda stored: place_of(stored.series))


def place_of(series: Series) -> tuple[str, str, str]:
    """Where a series stands among others, whatever the language that a server sorts by."""
    return series.symbol, series.timeframe, series.venue
