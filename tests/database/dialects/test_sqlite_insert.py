"""Rows of one INSERT: how many, and which values are bound once."""

import sqlite3
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from stratkernel_database.dialects.base import ColumnValues
from stratkernel_database.dialects.sqlite_insert import insert_plan

ONE = "INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def inserted(columns: dict[str, ColumnValues], rows: int) -> list[tuple[Any, ...]]:
    """The rows of a table after a plan was followed as the dialect does."""
    plan = insert_plan(ONE, columns, rows)
    fixed = tuple(plain(values)[0] for values in plan.fixed.values())
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b, c)")
        for text, varied, together in plan.parts:
            flat = list(zip(*map(plain, varied.values()), strict=True))
            for start in range(0, len(flat), together):
                group = flat[start : start + together]
                connection.execute(text, [*fixed, *(value for row in group for value in row)])
        return connection.execute("SELECT a, b, c FROM t ORDER BY rowid").fetchall()


def plain(values: ColumnValues) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


@pytest.mark.parametrize("rows", [1, 2, 3_000, 3_596, 3_600, 3_601])
@pytest.mark.parametrize("constant", ["", "a", "b", "ac", "abc"])
def test_rows_are_inserted_in_order_whatever_is_the_same_in_all(rows: int, constant: str) -> None:
    columns: dict[str, ColumnValues] = {
        "a": np.full(rows, 7) if "a" in constant else np.arange(rows),
        "b": ["x"] * rows if "b" in constant else [f"b{row}" for row in range(rows)],
        "c": [None] * rows if "c" in constant else np.arange(rows) / 3,
    }
    expected = list(zip(*map(plain, columns.values()), strict=True))
    assert inserted(columns, rows) == expected


def test_what_is_the_same_in_all_rows_is_bound_once() -> None:
    rows = 10_000
    plan = insert_plan(ONE, {"a": np.ones(rows, bool), "b": ["x"] * rows, "c": np.arange(rows)}, rows)
    assert set(plan.fixed) == {"a", "b"}
    assert [part.together for part in plan.parts] == [898, 1]
    assert plan.parts[1].text == (
        "INSERT INTO t (a, b, c) SELECT ?, ?, column1 FROM (VALUES (?)) WHERE true ON CONFLICT DO NOTHING"
    )


def test_floats_are_bound_one_by_one_since_equal_ones_may_differ() -> None:
    rows = 10_000
    zeros = np.where(np.arange(rows) % 2, 0.0, -0.0)
    plan = insert_plan(ONE, {"a": zeros, "b": [0, False] * (rows // 2), "c": np.zeros(rows)}, rows)
    assert plan.fixed == {}
