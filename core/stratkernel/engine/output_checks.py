"""What an indicator gave, held against what it declared before anything is done with it."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from stratkernel.contracts.arrays import FloatArray, read_only
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.kernels.workspace import is_lent
from stratkernel.kernel.errors import PluginContractError

Column: TypeAlias = "FloatArray | Events"


def check_advance(result: object, who: str) -> tuple[Any, State]:
    """The pair of values and state that `advance` must give.

    Raises:
        PluginContractError: it gave something else.
    """
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        return result
    got = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
    raise PluginContractError(f"{who}: advance gave {got}, expected (values, state) with a dict as state")


def check_outputs(
    values: Any, indicator: BaseIndicator[Any], given: Columns, undefined: Mapping[str, int], who: str
) -> dict[str, Column]:
    """The columns by the names of the outputs, one row for each that was given.

    `undefined` counts for each output the first of these rows, which are still in its warm-up. Nothing
    of what comes back can be written to by the indicator.

    Raises:
        PluginContractError: names the output, the candle, what is expected and what was got.
    """
    outputs = indicator.outputs
    named = dict(values) if isinstance(values, Mapping) else {outputs[0]: values}
    if set(named) != set(outputs):
        raise PluginContractError(
            f"{who} gave the outputs {', '.join(map(str, named)) or 'of an empty dict'}, "
            f"expected {', '.join(outputs)}"
        )
    columns: dict[str, Column] = {}
    for output in outputs:
        what = f"{who}: output '{output}'"
        if output in indicator.event_outputs:
            columns[output] = _events(named[output], given, what)
            continue
        array = _column(named[output], len(given), what)
        if not (indicator.absorbing and len(array) and np.isfinite(array[-1])):
            _check_finite(array, given, undefined[output], what, nullable=output in indicator.nullable)
        columns[output] = array
    return columns


def _column(values: Any, rows: int, what: str) -> FloatArray:
    try:
        array = np.asarray(values)
    except Exception as error:
        raise PluginContractError(f"{what} is {type(values).__name__}, expected a float64 array") from error
    if array.dtype != np.float64 or array.shape != (rows,):
        raise PluginContractError(
            f"{what} is {array.dtype} of shape {array.shape}, "
            f"expected float64 of shape ({rows},), one value a candle"
        )
    # a view may be of a buffer that the indicator fills anew for the next chunk
    own = array if array.flags.owndata or is_lent(array) else array.copy()
    own.flags.writeable = False
    return own


def _check_finite(array: FloatArray, given: Columns, undefined: int, what: str, *, nullable: bool) -> None:
    skip = min(undefined, len(array))
    if _all_finite(array[skip:]):
        return
    wrong = np.flatnonzero(np.isinf(array[skip:]) if nullable else ~np.isfinite(array[skip:]))
    if not len(wrong):
        return
    bad = skip + int(wrong[0])
    raise PluginContractError(
        f"{what} is {array[bad]} at the candle that closes at {iso(int(given.close_time[bad]))}, "
        "expected a finite number after the warm-up"
    )


def _events(values: Any, given: Columns, what: str) -> Events:
    if not isinstance(values, Events):
        raise PluginContractError(f"{what} is {type(values).__name__}, expected Events")
    rows, marks = values.rows, values.values
    if values.length != len(given):
        raise PluginContractError(f"{what} has events of {values.length!r} rows, expected {len(given)}")
    for name, array, dtype in (("rows", rows, np.int64), ("values", marks, np.float64)):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != np.shape(rows):
            got = (
                f"{array.dtype} of shape {array.shape}"
                if isinstance(array, np.ndarray)
                else type(array).__name__
            )
            raise PluginContractError(
                f"{what} has {name} that are {got}, expected a column of {dtype.__name__}"
            )
    if not len(rows):
        return values
    if rows[0] < 0 or rows[-1] >= len(given) or (rows[1:] <= rows[:-1]).any():
        raise PluginContractError(
            f"{what} has events at rows {_few(rows)}, expected ascending, 0 to {len(given) - 1}"
        )
    if not np.isfinite(marks).all():
        bad = int(np.argmin(np.isfinite(marks)))
        when = iso(int(given.close_time[rows[bad]]))
        raise PluginContractError(
            f"{what} is {marks[bad]} at the candle that closes at {when}, expected finite numbers"
        )
    return Events(read_only(rows.copy()), read_only(marks.copy()), values.length)


def _few(rows: Any) -> str:
    shown = ", ".join(map(str, rows[:5].tolist()))
    return shown if len(rows) <= 5 else f"{shown}, ..."


def _all_finite(array: FloatArray) -> bool:
    """The sum of finite numbers is finite, but for overflow: one fast pass before the careful one."""
    with np.errstate(all="ignore"):
        return isfinite(np.add.reduce(array)) or bool(np.isfinite(array).all())
