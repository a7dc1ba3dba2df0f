"""Rows P5 and P6: a plugin gives garbage, or far too much; one contract error names field and candle."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from made_strategies import (
    candles,
    fold_doing,
    indicator_doing,
    run,
    run_indicator,
    strategy_doing,
    window_indicator_doing,
)
from plugin_modules import PLAIN_ITEMS, giving
from stratkernel import Kernel, PluginContractError, Signals, SignalType
from stratkernel.contracts.events import Events
from stratkernel.kernel.kinds import KINDS
from stratkernel.kernel.records import PluginState

SERIES = candles(20)
WHO_STRATEGY = "strategy 'made' (acme-things 1.2)"
WHO_INDICATOR = "indicator 'made' (acme-things 1.2)"

arrays = hnp.arrays(
    dtype=st.one_of(hnp.scalar_dtypes(), hnp.unicode_string_dtypes()),
    shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=20),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.just(object()),
)
garbage = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


def tampered(rows: Any, types: Any, confidence: Any, metadata: Any) -> Signals:
    """Signals with fields that no constructor has looked at."""
    signals = Signals.__new__(Signals)
    signals.rows, signals.types, signals.confidence, signals.metadata = rows, types, confidence, metadata
    return signals


def is_right(signals: Any) -> bool:
    """Whether random fields happen to be signals of `SERIES`, said in other words than the engine's."""
    columns = (signals.rows, signals.types, signals.confidence)
    if not all(isinstance(column, np.ndarray) and column.ndim == 1 for column in columns):
        return False
    rows, types, sure = (column.tolist() for column in columns)
    if not len(rows) == len(types) == len(sure) or not isinstance(signals.metadata, dict):
        return False
    named = all(
        isinstance(name, str)
        and isinstance(column, np.ndarray)
        and column.shape == (len(rows),)
        and column.dtype.kind in "biufU"
        for name, column in signals.metadata.items()
    )
    integers = all(type(number) is int for number in (*rows, *types))
    return (
        named
        and integers
        and all(type(number) in (int, float) and 0 <= number <= 1 for number in sure)
        and set(types) <= {0, 1, 2, 3, 4}
        and set(rows) <= set(range(len(SERIES)))
        and sorted(zip(rows, types, strict=True)) == list(zip(rows, types, strict=True))
        and len(set(zip(rows, types, strict=True))) == len(rows)
    )


@given(garbage)
@example(None)
@example([1, 2, 3])
@example(np.zeros(20))
def test_p5_strategy_giving_anything_but_signals_is_a_contract_error(thing: Any) -> None:
    for strategy in (strategy_doing(lambda data: thing), fold_doing(lambda data, state: (thing, state))):
        with pytest.raises(PluginContractError) as refused:
            run(strategy, SERIES)
        assert (
            str(refused.value)
            == f"{WHO_STRATEGY} gave {type(thing).__name__}, expected Signals (Signals.none() for none)"
        )


@given(garbage)
@example((Signals.none(),))
@example((Signals.none(), None))
def test_p5_fold_giving_no_pair_is_a_contract_error(thing: Any) -> None:
    if isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[1], dict):
        return
    with pytest.raises(PluginContractError, match=r"advance gave .*, expected \(values, state\)"):
        run(fold_doing(lambda data, state: thing), SERIES)


@given(garbage, garbage, garbage, garbage)
@example(np.array([1]), np.array(["banana"]), np.array([1.0]), {})
@example(np.array([1]), np.array([7]), np.array([1.0]), {})
@example(np.array([3, 1]), np.array([3, 3]), np.array([1.0, 1.0]), {})
@example(np.array([2**63], dtype=np.uint64), np.array([3]), np.array([1.0]), {})
@example(np.array([1]), np.array([3]), np.array([1.0]), {"note": np.array([object()])})
@example(np.array([1]), np.array([3]), np.array([1.0]), {7: np.array([1.0])})
def test_p5_signals_with_garbage_in_their_fields_are_a_contract_error(
    rows: Any, types: Any, confidence: Any, metadata: Any
) -> None:
    """Nothing but a contract error may come out, unless the random fields were right, or there were none."""
    signals = tampered(rows, types, confidence, metadata)
    strategy = strategy_doing(lambda data: signals)
    if is_right(signals):
        assert len(run(strategy, SERIES).signals) == len(rows)
        return
    with pytest.raises(PluginContractError, match=r"^strategy 'made' \(acme-things 1\.2\) gave "):
        run(strategy, SERIES)


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        (
            Signals([3], [3], confidence=[float("nan")]),
            "gave the confidence nan at the candle that closes at {3}, expected 0 to 1",
        ),
        (
            Signals([3], [3], confidence=[1e309]),
            "gave the confidence inf at the candle that closes at {3}, expected 0 to 1",
        ),
        (
            Signals([3], [3], confidence=[-0.1]),
            "gave the confidence -0.1 at the candle that closes at {3}, expected 0 to 1",
        ),
        (Signals([3], [9]), "gave the type 9 at the candle that closes at {3}, expected a SignalType"),
        (Signals([3], ["banana"]), "gave types of type <U6, expected SignalType codes"),
        (Signals([20], [3]), "gave a signal at row 20, expected 0 to 19"),
        (Signals([-1, 3], [3, 3]), "gave a signal at row -1, expected 0 to 19"),
        (Signals([True], [3]), "gave rows of type bool, expected integers"),
        (Signals([1.5], [3]), "gave rows of type float64, expected integers"),
        (Signals([1, 2], [3]), "gave types as an array of shape (1,), expected one value for each signal"),
        (
            Signals([3], [3], metadata={"x": [1.0, 2.0]}),
            "gave metadata 'x' as an array of shape (2,), expected one value",
        ),
    ],
)
def test_p5_message_names_field_candle_expected_and_got(signals: Signals, said: str) -> None:
    from stratkernel.contracts.timeframes import iso

    with pytest.raises(PluginContractError) as refused:
        run(strategy_doing(lambda data: signals), SERIES)
    closes = {"3": iso(int(SERIES.close_time[3]))}
    expected = said.replace("{3}", closes["3"])
    assert str(refused.value).startswith(f"{WHO_STRATEGY} {expected}")


def test_p5_metadata_that_changes_its_columns_is_a_contract_error() -> None:
    def calculate(data: Any) -> Signals:
        last = len(data) - 1
        return Signals([last], SignalType.ENTRY_LONG, metadata={f"column{last % 2}": [1.0]})

    with pytest.raises(PluginContractError, match=r"gave the metadata \['column1'\] after \['column0'\]"):
        run(strategy_doing(calculate, window=None), SERIES)


@given(garbage)
@example(None)
@example(np.full(20, np.nan))
@example(np.full(20, np.inf))
@example(np.ones(19))
@example(np.ones(20, dtype=bool))
@example(np.array(["x"] * 20))
@example({"other": np.ones(20)})
@example({})
@example([[1.0], [1.0, 2.0]])
def test_p5_indicator_giving_garbage_is_a_contract_error(thing: Any) -> None:
    array = np.asarray(thing) if isinstance(thing, np.ndarray | list) and _is_regular(thing) else None
    if (
        array is not None
        and array.dtype == np.float64
        and array.shape == (20,)
        and np.isfinite(array[2:]).all()
    ):
        return  # hypothesis has made a right answer
    for indicator in (
        indicator_doing(lambda columns, state: (thing, state)),
        window_indicator_doing(lambda columns: thing),
    ):
        with pytest.raises(PluginContractError) as refused:
            run_indicator(indicator, SERIES)
        assert str(refused.value).startswith(f"{WHO_INDICATOR}")


def _is_regular(thing: Any) -> bool:
    try:
        np.asarray(thing)
    except ValueError:
        return False
    return True


@given(garbage)
@example(Events(np.array([5, 5]), np.ones(2), 20))
@example(Events(np.array([5, 4]), np.ones(2), 20))
@example(Events(np.array([20]), np.ones(1), 20))
@example(Events(np.array([-1]), np.ones(1), 20))
@example(Events(np.array([3]), np.array([np.nan]), 20))
@example(Events(np.array([3.0]), np.ones(1), 20))
@example(Events(np.array([3]), np.ones(2), 20))
@example(Events(np.array([3]), np.ones(1), 21))
@example(Events([3], [1.0], 20))
@example(Events(None, None, 20))
def test_p5_event_indicator_giving_garbage_is_a_contract_error(thing: Any) -> None:
    with pytest.raises(PluginContractError, match=r"output 'made' |expected made") as refused:
        run_indicator(indicator_doing(lambda columns, state: (thing, state), events=True), SERIES)
    assert str(refused.value).startswith(WHO_INDICATOR)


@given(garbage)
def test_p5_indicator_giving_no_pair_is_a_contract_error(thing: Any) -> None:
    if isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[1], dict):
        return
    with pytest.raises(PluginContractError, match=r"advance gave .*, expected \(values, state\)"):
        run_indicator(indicator_doing(lambda columns, state: thing), SERIES)


def test_p5_indicator_message_names_output_and_candle() -> None:
    from stratkernel.contracts.timeframes import iso

    def advance(columns: Any, state: Any) -> Any:
        values = columns.close.copy()
        values[7] = np.nan
        return values, state

    with pytest.raises(PluginContractError) as refused:
        run_indicator(indicator_doing(advance), SERIES)
    when = iso(int(SERIES.close_time[7]))
    assert f"output 'made' is nan at the candle that closes at {when}, expected a finite number" in str(
        refused.value
    )


@pytest.mark.parametrize("method", ["lookback", "settling"])
@pytest.mark.parametrize("thing", [None, "3", -1, 2.0, [3]])
def test_p5_indicator_with_garbage_for_rows_is_a_contract_error(method: str, thing: Any) -> None:
    indicator = indicator_doing(lambda columns, state: (columns.close, state))
    setattr(indicator, method, lambda self: thing)
    with pytest.raises(PluginContractError, match=f"{method} gave "):
        run_indicator(indicator, SERIES)


@given(st.sampled_from(KINDS), garbage | st.sampled_from([*PLAIN_ITEMS.values(), *PLAIN_ITEMS]))
@example(KINDS[0], iter([3]))
def test_p5_hook_giving_anything_never_raises(kind: Any, thing: Any) -> None:
    """An empty collection is right; everything else fails the plugin, with a reason that names the hook."""
    kernel = Kernel(discover=False)
    record = kernel.register(giving(kind, thing), "acme")
    assert kernel.items(kind) == ()
    nothing = (
        isinstance(thing, list | dict | tuple | bytes | np.ndarray)
        and np.ndim(np.empty(0))
        and _is_empty(thing)
    )
    assert (record.state is PluginState.ACTIVE) == bool(nothing)
    assert nothing or record.reason.startswith(f"hook {kind.hook} ")


def _is_empty(thing: Any) -> bool:
    try:
        return len(thing) == 0
    except TypeError:  # an array without dimensions
        return False


def test_p6_a_million_signals_at_one_candle_are_refused() -> None:
    """Each type at most once a candle, and there are five: more is impossible."""
    flood = Signals(np.full(1_000_000, 3), SignalType.ENTRY_LONG)
    with pytest.raises(
        PluginContractError, match=r"gave the type 'ENTRY_LONG' at the candle .* each type at most once"
    ):
        run(strategy_doing(lambda data: flood), SERIES)


def test_p6_one_signal_of_each_type_at_every_candle_is_the_most_there_can_be() -> None:
    rows = np.repeat(np.arange(20), len(SignalType))
    types = np.tile([int(kind) for kind in SignalType], 20)
    assert len(run(strategy_doing(lambda data: Signals(rows, types)), SERIES).signals) == 100
    with pytest.raises(PluginContractError, match="each type at most once"):
        run(strategy_doing(lambda data: Signals([*rows, 3], [*types, 3])), SERIES)
