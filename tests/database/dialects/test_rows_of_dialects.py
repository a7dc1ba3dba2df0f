"""Rows go in and come out as columns, the same on every kind of database."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from stratkernel.kernel.errors import StorageError
from stratkernel_database.connection import Database
from stratkernel_database.json_column import JsonObject

TABLES = sa.MetaData()
NUMBERS = sa.Table(
    "numbers",
    TABLES,
    sa.Column("value", sa.Double(), nullable=False),  # before the key: columns are bound by name, not place
    sa.Column("series", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("small", sa.SmallInteger(), nullable=False),
    sa.Column("flag", sa.Boolean(), nullable=False),
)
THINGS = sa.Table(
    "things",
    TABLES,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("thing", sa.Uuid(), nullable=False, unique=True),
    sa.Column("name", sa.String(20), nullable=False),
    sa.Column("config", JsonObject()),
    sa.Column("content", sa.LargeBinary()),
    sa.CheckConstraint(sa.column("name") != sa.literal_column("'bad'"), name="name"),
)
NUMBER_TYPES = {
    "time": np.int64,
    "series": np.int64,
    "value": np.float64,
    "small": np.int16,
    "flag": np.bool_,
}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.write(TABLES.create_all)
    yield opened
    opened.close()


def numbers(rows: int, *, series: int = 1) -> dict[str, Any]:
    time = 1_600_000_000_000_000 + 60_000_000 * np.arange(rows, dtype=np.int64)
    return {
        "time": time,
        "series": np.full(rows, series),
        "value": np.cos(np.arange(rows)) * 1e-7 + 1 / 3,
        "small": (np.arange(rows) % 300 - 150).astype(np.int16),
        "flag": np.arange(rows) % 3 == 0,
    }


def stored(database: Database, order: Any = None) -> dict[str, np.ndarray]:
    select = sa.select(*(NUMBERS.c[name] for name in NUMBER_TYPES)).order_by(
        order if order is not None else NUMBERS.c.time
    )
    return database.read(lambda connection: database.dialect.read_columns(connection, select, NUMBER_TYPES))


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(NUMBER_TYPES)
    for name, values in expected.items():
        assert found[name].dtype == np.dtype(NUMBER_TYPES[name])  # type: ignore[arg-type]  # any of the table's
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("rows", [0, 1, 700, 20_000])
@pytest.mark.parametrize("way", ["insert", "insert_new", "upsert"])
def test_rows_written_in_any_way_come_back_bit_for_bit(database: Database, way: str, rows: int) -> None:
    columns = numbers(rows)
    counted = database.write(lambda connection: getattr(database.dialect, way)(connection, NUMBERS, columns))
    assert counted == (None if way == "insert" else rows)
    assert_same(stored(database), columns)


@pytest.mark.parametrize("rows", [10, 1_000])
def test_insert_new_leaves_rows_alone_that_are_there(database: Database, rows: int) -> None:
    columns = numbers(rows)
    database.write(lambda connection: database.dialect.insert_new(connection, NUMBERS, columns))
    more = numbers(rows + 5)
    more["value"] = np.zeros(rows + 5)
    assert database.write(lambda connection: database.dialect.insert_new(connection, NUMBERS, more)) == 5
    np.testing.assert_array_equal(stored(database)["value"], [*columns["value"], *np.zeros(5)])


@pytest.mark.parametrize("rows", [10, 1_000])
def test_upsert_counts_and_writes_only_what_differs(database: Database, rows: int) -> None:
    columns = numbers(rows)
    database.write(lambda connection: database.dialect.insert(connection, NUMBERS, columns))
    assert database.write(lambda connection: database.dialect.upsert(connection, NUMBERS, columns)) == 0
    changed = numbers(rows + 2)
    changed["value"][3] = 9.0
    assert database.write(lambda connection: database.dialect.upsert(connection, NUMBERS, changed)) == 3
    assert_same(stored(database), changed)


@pytest.mark.parametrize("rows", [3, 1_000])
def test_rows_of_texts_json_bytes_and_ids_come_back_as_they_were(database: Database, rows: int) -> None:
    columns = {
        "thing": [UUID(int=number) for number in range(rows)],
        "name": [f"na\tme%s {number} é\\n" for number in range(rows)],
        "config": [None if number % 2 else {"a": [1, "ü", None]} for number in range(rows)],
        "content": [bytes([0, number % 256]) for number in range(rows)],
    }
    dialect = database.dialect
    assert database.write(lambda connection: dialect.insert_new(connection, THINGS, columns)) == rows
    assert database.write(lambda connection: dialect.insert_new(connection, THINGS, columns)) == 0
    columns["name"][1] = "other"
    assert database.write(lambda connection: dialect.upsert(connection, THINGS, columns)) == 1
    types = dict.fromkeys(columns, object)
    select = sa.select(*(THINGS.c[name] for name in columns)).order_by(THINGS.c.thing)
    found = database.read(lambda connection: dialect.read_columns(connection, select, types))
    assert {name: values.tolist() for name, values in found.items()} == columns


def test_a_query_takes_parameters_of_every_kind(database: Database) -> None:
    database.write(lambda connection: database.dialect.insert(connection, NUMBERS, numbers(1_000)))
    table = NUMBERS.c
    select = sa.select(table.time, table.value).where(
        table.small.in_([-150, -149, 7]), table.flag.is_(False), table.time >= 0
    )
    found = database.read(
        lambda connection: database.dialect.read_columns(
            connection, select.order_by(table.time), {"time": np.int64, "value": np.float64}
        )
    )
    rows = [row for row in range(1_000) if row % 300 - 150 in {-150, -149, 7} and row % 3]
    np.testing.assert_array_equal(found["value"], numbers(1_000)["value"][rows])


def test_computed_columns_are_read_too(database: Database) -> None:
    database.write(lambda connection: database.dialect.insert(connection, NUMBERS, numbers(100)))
    select = sa.select(sa.func.count().label("n"), sa.func.max(NUMBERS.c.small).label("most"))
    found = database.read(
        lambda connection: database.dialect.read_columns(
            connection, select, {"n": np.int64, "most": np.int64}
        )
    )
    assert (found["n"].tolist(), found["most"].tolist()) == ([100], [-51])


def test_stream_columns_gives_parts_of_the_size_that_was_asked_for(database: Database) -> None:
    database.write(lambda connection: database.dialect.insert(connection, NUMBERS, numbers(1_000)))
    select = sa.select(NUMBERS.c.time, NUMBERS.c.value).order_by(NUMBERS.c.time)
    types = {"time": np.int64, "value": np.float64}
    parts = database.read(
        lambda connection: list(database.dialect.stream_columns(connection, select, types, 300))
    )
    assert [len(part["time"]) for part in parts] == [300, 300, 300, 100]
    np.testing.assert_array_equal(np.concatenate([part["time"] for part in parts]), numbers(1_000)["time"])


def test_columns_of_different_lengths_are_refused(database: Database) -> None:
    columns = {**numbers(3), "value": np.zeros(2)}
    with pytest.raises(ValueError, match="one length"):
        database.write(lambda connection: database.dialect.insert(connection, NUMBERS, columns))


def test_upsert_without_a_key_is_refused(database: Database) -> None:
    columns = {"name": ["a"], "content": [b""]}
    with pytest.raises(ValueError, match="hold no key"):
        database.write(lambda connection: database.dialect.upsert(connection, THINGS, columns))


@pytest.mark.parametrize("rows", [3, 1_000])
def test_a_row_that_a_check_refuses_leaves_nothing_behind(database: Database, rows: int) -> None:
    columns = {"thing": [UUID(int=number) for number in range(rows)], "name": ["good"] * (rows - 1) + ["bad"]}
    with pytest.raises(StorageError, match="name"):
        database.write(lambda connection: database.dialect.insert_new(connection, THINGS, columns))
    count = sa.select(sa.func.count()).select_from(THINGS)
    assert database.read(lambda connection: connection.execute(count).scalar_one()) == 0
