"""The contract of signals: what is right comes out in canonical form and shared with nobody."""

from typing import Any

import numpy as np
import pytest

from stratkernel import PluginContractError, Signals, SignalType
from stratkernel.engine.signal_checks import check_signals

CLOSES = np.arange(10, dtype=np.int64) * 3_600_000_000
WHO = "strategy 'made' (acme 1)"


def test_check_signals_gives_canonical_types() -> None:
    given = Signals(
        np.array([1, 2], dtype=np.uint16), [3, 1], confidence=[1, 0], metadata={"note": ["a", "b"]}
    )
    checked = check_signals(given, CLOSES, WHO)
    assert (checked.rows.dtype, checked.types.dtype, checked.confidence.dtype) == (
        np.int64,
        np.int8,
        np.float64,
    )
    assert checked.rows.tolist() == [1, 2]
    assert checked.types.tolist() == [3, 1]
    assert checked.confidence.tolist() == [1.0, 0.0]
    assert checked.metadata["note"].tolist() == ["a", "b"]


def test_check_signals_keeps_order_of_candles_and_exits_first() -> None:
    given = Signals([5, 2, 5], [SignalType.ENTRY_SHORT, SignalType.HOLD, SignalType.EXIT_LONG])
    checked = check_signals(given, CLOSES, WHO)
    assert checked.rows.tolist() == [2, 5, 5]
    assert checked.types.tolist() == [SignalType.HOLD, SignalType.EXIT_LONG, SignalType.ENTRY_SHORT]


def test_check_signals_shares_no_memory_with_what_it_was_given() -> None:
    given = Signals(
        np.array([1], dtype=np.int64),
        np.array([3], dtype=np.int8),
        confidence=np.array([0.5]),
        metadata={"x": np.array([1.0])},
    )
    checked = check_signals(given, CLOSES, WHO)
    for name in ("rows", "types", "confidence"):
        assert not np.shares_memory(getattr(checked, name), getattr(given, name))
    assert not np.shares_memory(checked.metadata["x"], given.metadata["x"])
    assert checked.metadata is not given.metadata


@pytest.mark.parametrize("empty", [Signals.none(), Signals([], []), Signals(np.empty(0), np.empty(0))])
def test_check_signals_accepts_none_of_any_type(empty: Signals) -> None:
    checked = check_signals(empty, CLOSES, WHO)
    assert len(checked) == 0
    assert checked.rows.dtype == np.int64


def test_check_signals_accepts_the_bounds() -> None:
    checked = check_signals(Signals([0, 9], [0, 4], confidence=[0.0, 1.0]), CLOSES, WHO)
    assert len(checked) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave NoneType, expected Signals"),
        (
            Signals([4, 4], [3, 3]),
            "gave the type 'ENTRY_LONG' at the candle that closes at 1970-01-01T04:00:00Z",
        ),
        (Signals([4], [5]), "gave the type 5 at the candle that closes at 1970-01-01T04:00:00Z"),
        (
            Signals([4], [3], confidence=[1.5]),
            "gave the confidence 1.5 at the candle that closes at 1970-01-01T04",
        ),
        (Signals([10], [3]), "gave a signal at row 10, expected 0 to 9"),
        (Signals([[4]], [[3]]), "gave rows as an array of shape (1, 1), expected one value for each signal"),
        (Signals([4], [3], metadata={"x": [1j]}), "gave metadata 'x' of type complex128"),
    ],
)
def test_check_signals_names_field_candle_expected_and_got(given: Any, said: str) -> None:
    with pytest.raises(PluginContractError) as refused:
        check_signals(given, CLOSES, WHO)
    assert str(refused.value).startswith(f"{WHO} {said}")


@pytest.mark.parametrize(("rows", "types"), [([5, 2], [3, 3]), ([2, 2], [4, 1]), ([1, 1, 1], [3, 4, 3])])
def test_check_signals_refuses_an_order_that_no_constructor_made(rows: list[int], types: list[int]) -> None:
    given = Signals(np.arange(len(rows)), np.zeros(len(rows), dtype=np.int8))
    given.rows, given.types = np.array(rows), np.array(types)
    with pytest.raises(PluginContractError, match="gave rows out of order"):
        check_signals(given, CLOSES, WHO)
