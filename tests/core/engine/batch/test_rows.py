"""Rows of a batch: exact through a table and back, hashed by what they found."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratkernel.engine.batch.rows import BatchRow, RowStatus, results_hash, rows_from_table, rows_to_table
from stratkernel.engine.metrics import METRICS

VALUES = {name: index / 7 for index, name in enumerate(METRICS)} | {"trades": 12, "sharpe": None}


def row(number: int, **more: object) -> BatchRow:
    made = BatchRow(
        number=number,
        configuration="mine",
        strategy="acme:mine",
        parameters={"period": 5, "source": "close", "trend": None},
        symbol="A/B",
        timeframe="1h",
        venue="local",
        status=RowStatus.DONE,
        exits={"stop_loss": 0.1 + 0.2},
        run_id=f"run-{number}",
        signals=3,
        signals_hash="ab" * 32,
        metrics=VALUES,
    )
    return replace(made, **more)  # type: ignore[arg-type] # fields by their names


FAILED = row(
    2,
    status=RowStatus.FAILED,
    metrics={},
    error="no luck",
    signals=0,
    signals_hash=None,
    run_id=None,
    exits={},
)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=13, max_size=13))
def test_rows_come_back_from_a_table_to_the_bit(values: list[float | None]) -> None:
    names = [name for name in METRICS if name != "trades"]
    made = [row(1, metrics=dict.fromkeys(METRICS) | dict(zip(names, values, strict=True))), FAILED]
    assert rows_from_table(rows_to_table(made)) == made


def test_rows_as_json_have_no_nan_and_every_field() -> None:
    found = row(1).to_dict()
    assert found["metrics"]["sharpe"] is None
    assert found["status"] == "done"
    assert set(found) == set(BatchRow.__dataclass_fields__)


def test_results_hash_is_of_what_was_found_not_of_who_or_in_which_order() -> None:
    rows = [row(0), row(1), FAILED]
    wanted = results_hash(rows)
    assert {results_hash(order) for order in permutations(rows)} == {wanted}
    assert results_hash([replace(rows[0], status=RowStatus.REUSED, run_id="another"), *rows[1:]]) == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"signals_hash": "cd" * 32},
        {"metrics": VALUES | {"sharpe": 1e-300}},
        {"parameters": {"period": 6}},
        {"symbol": "A/C"},
        {"exits": {}},
        {"status": RowStatus.FAILED},
        {"error": "something"},
    ],
)
def test_results_hash_of_anything_else_is_another(change: dict[str, object]) -> None:
    assert results_hash([row(0), row(1, **change)]) != results_hash([row(0), row(1)])
