"""Candles in SQLite and PostgreSQL, 1,000,000 rows, against what else keeps candles, in the same run.

Peers: DuckDB with the same primary key (writing), Parquet with zstd (reading, whole and a range of 10,000
rows by its filter), `pandas.read_sql` on PostgreSQL. Seconds of the wall, since servers and threads work
elsewhere than in this thread; memory is the peak of what Python and numpy allocated, against the frame.
"""

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import sqlalchemy as sa
from tests.benchmarks.harness import Comparison, markdown
from tests.support.postgres import PostgresServer, test_server

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.stored import Series
from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel_database.connection import Database
from stratkernel_database.models import market_data, metadata
from stratkernel_database.repositories.market import MarketDataRepository

ROWS = 1_000_000
RANGE = 10_000
ROUNDS = 3
SERIES = Series("TEST", "1m")
SQLITE, POSTGRESQL, DUCKDB, PARQUET, READ_SQL = "SQLite", "PostgreSQL", "DuckDB", "Parquet zstd", "read_sql"


@dataclass(frozen=True)
class Turn:
    """What is timed, and what comes before and after without being timed."""

    timed: Callable[[Any], object]
    before: Callable[[], Any] = lambda: None
    after: Callable[[Any], None] = lambda _: None


def in_turns(turns: Mapping[str, Turn], rounds: int = ROUNDS) -> Comparison:
    """Seconds of the wall of each, one after the other, in an order that rotates."""
    names = list(turns)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):  # the first round only fills caches
        for name in names[number % len(names) :] + names[: number % len(names)]:
            turn = turns[name]
            made = turn.before()
            gc.collect()
            start = time.perf_counter()
            turn.timed(made)
            taken = time.perf_counter() - start
            turn.after(made)
            if number >= 0:
                seconds[name].append(taken)
    return Comparison(seconds)


def made_candles(rows: int = ROWS) -> Candles:
    """Minutes with prices of two decimals and volumes of three."""
    made = candles_from_close(
        np.round(random_walk(rows, volatility=1e-3, start=30_000.0), 2), timeframe="1m", symbol="TEST"
    )
    arrays = {name: np.round(made.columns[name], 2) for name in CANDLE_COLUMNS}
    arrays["volume"] = np.round(np.random.default_rng(1).exponential(10.0, rows), 3)
    return replace(made, columns=candle_columns(arrays, made.close_time))


def opened(url: str) -> Database:
    """A database with its tables."""
    database = Database(url)
    database.write(metadata.create_all)
    return database


class Folder:
    """Fresh databases for writing."""

    def __init__(self, path: Path, server: PostgresServer) -> None:
        self.path, self.server, self.count = path, server, 0

    def sqlite(self) -> Database:
        self.count += 1
        return opened(f"sqlite:///{self.path / f'{self.count}.sqlite'}")

    def postgresql(self) -> Database:
        return opened(self.server.url_of(self.server.create()))

    def drop(self, database: Database) -> None:
        """Remove a database that one of these gave."""
        url = database.engine.url
        database.close()
        if url.get_backend_name() == "postgresql":
            self.server.drop(str(url.database))
        else:
            Path(str(url.database)).unlink()

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        self.count += 1
        connection = duckdb.connect(str(self.path / f"{self.count}.duckdb"))
        columns = ", ".join(f"{name} DOUBLE NOT NULL" for name in CANDLE_COLUMNS)
        connection.execute(
            f"CREATE TABLE market_data (series BIGINT, open_time BIGINT, {columns}, "
            "PRIMARY KEY (series, open_time))"
        )
        return connection


def inserting(folder: Folder, candles: Candles) -> Comparison:
    """Candles into an empty database, committed."""
    plain = pd.DataFrame({"series": 1, "open_time": candles.open_time})
    plain[list(CANDLE_COLUMNS)] = np.column_stack([candles.columns[name] for name in CANDLE_COLUMNS])

    def peer(connection: duckdb.DuckDBPyConnection) -> None:
        connection.register("candles", plain)
        connection.execute("INSERT INTO market_data SELECT * FROM candles")
        connection.close()

    def ours(database: Database) -> None:
        MarketDataRepository(database).write(candles)

    return in_turns(
        {
            SQLITE: Turn(ours, folder.sqlite, folder.drop),
            POSTGRESQL: Turn(ours, folder.postgresql, folder.drop),
            DUCKDB: Turn(peer, folder.duckdb),
        },
        rounds=3,
    )


def reading(kept: Mapping[str, Database], file: Path, span: tuple[int, int] | None) -> Comparison:
    """Candles, all or a span of open times, as a DataFrame."""
    columns = [market_data.c[name] for name in ("open_time", *CANDLE_COLUMNS)]
    select = sa.select(*columns).order_by(market_data.c.open_time)
    filters = None
    if span is not None:
        select = select.where(market_data.c.open_time >= span[0], market_data.c.open_time < span[1])
        first, last = (pd.Timestamp(time, unit="us", tz="UTC") for time in span)
        filters = [("open_time", ">=", first), ("open_time", "<", last)]
    start, end = span or (None, None)

    def frame(market: MarketDataRepository) -> pd.DataFrame:
        return market.read(SERIES, start, end).frame

    turns = {name: Turn(frame, partial(MarketDataRepository, database)) for name, database in kept.items()}
    turns[PARQUET] = Turn(lambda _: pd.read_parquet(file, filters=filters))
    turns[READ_SQL] = Turn(lambda _: pd.read_sql(select, kept[POSTGRESQL].engine))
    return in_turns(turns)


def memory(database: Database) -> float:
    """Peak of allocations while all candles become a frame, in frames."""
    market = MarketDataRepository(database)
    size = int(market.read(SERIES).frame.memory_usage(index=True).sum())
    gc.collect()
    tracemalloc.start()
    frame = market.read(SERIES).frame
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del frame
    return peak / size


def table() -> str:
    """Seconds, ratios and sizes."""
    candles = made_candles()
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = Folder(path, stack.enter_context(test_server()))
        inserted = inserting(folder, candles)
        kept = {SQLITE: folder.sqlite(), POSTGRESQL: folder.postgresql()}
        for database in kept.values():
            MarketDataRepository(database).write(candles)
            database.dialect.reclaim(database.engine)
            stack.callback(folder.drop, database)
        file = path / "candles.parquet"
        candles.frame.to_parquet(file, compression="zstd")
        whole = reading(kept, file, None)
        middle = int(candles.open_time[ROWS // 2])
        part = reading(kept, file, (middle, middle + RANGE * 60_000_000))
        size = {name: database.dialect.size(database.engine) / ROWS for name, database in kept.items()}
        peaks = {name: memory(database) for name, database in kept.items()}
    rows = [
        ("insert", inserted, SQLITE, DUCKDB, "at most 3"),
        ("insert", inserted, POSTGRESQL, DUCKDB, "at most 3"),
        ("all to a DataFrame", whole, SQLITE, PARQUET, "at most 2"),
        ("all to a DataFrame", whole, POSTGRESQL, READ_SQL, "at most 0.6"),
        (f"{RANGE:,} to a DataFrame", part, SQLITE, PARQUET, "at most 1.5"),
        (f"{RANGE:,} to a DataFrame", part, POSTGRESQL, PARQUET, "at most 1.5"),
    ]
    lines = [
        (what, name, found.typical(name), f"{found.ratio(name, peer):.2f} x {peer}", goal)
        for what, found, name, peer, goal in rows
    ]
    lines += [("bytes a candle", SQLITE, size[SQLITE], "", "at most 70")]
    lines += [("bytes a candle", POSTGRESQL, size[POSTGRESQL], "", "")]
    lines += [
        ("peak memory of a read, frames", name, peak, "", "at most 2.5") for name, peak in peaks.items()
    ]
    return markdown((f"{ROWS:,} candles", "in", "seconds or figure", "ratio", "goal"), lines)


if __name__ == "__main__":
    print(table())
