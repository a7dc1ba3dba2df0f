"""What a strategy gave, held against the contract before anything is done with it."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.signals import Signals, SignalType, in_order
from stratkernel.contracts.timeframes import iso
from stratkernel.kernel.errors import PluginContractError

_CODES: Final = tuple(member.value for member in SignalType)
_FIELDS: Final = {
    "rows": ("iu", "integers"),
    "types": ("iu", "SignalType codes"),
    "confidence": ("fiu", "numbers"),
}
"""The kinds of numpy dtypes that each field may have, and what a message calls them."""
_METADATA_KINDS: Final = "biufU"


def check_signals(
    signals: object,
    close_time: IntArray,
    who: str,
    *,
    first: int = 0,
    undefined: BoolArray | None = None,
) -> Signals:
    """A copy of the signals in canonical dtypes (int64 rows, int8 types, float64 confidence).

    Those before row `first` and on rows that `undefined` marks are dropped before their values are looked
    at. Nothing is shared with the strategy, which may go on to write to what it gave.

    Raises:
        PluginContractError: names the field, the candle, what is expected and what was got.
    """
    if not isinstance(signals, Signals):
        raise PluginContractError(
            f"{who} gave {type(signals).__name__}, expected Signals (Signals.none() for none)"
        )
    _check_shapes(signals, who)
    rows, types, confidence = signals.rows, signals.types, signals.confidence
    if not rows.size:
        return Signals.none()
    _check_rows(rows, types, len(close_time), who)
    metadata = signals.metadata
    if first > rows[0] or undefined is not None:
        use = rows >= first if undefined is None else (rows >= first) & ~undefined[rows]
        rows, types, confidence = rows[use], types[use], confidence[use]
        metadata = {name: column[use] for name, column in metadata.items()}
    _check_values(
        (types < _CODES[0]) | (types > _CODES[-1]), "type", types, rows, close_time, who, "a SignalType"
    )
    sure = confidence.astype(np.float64)
    _check_values(~((sure >= 0) & (sure <= 1)), "confidence", confidence, rows, close_time, who, "0 to 1")
    twice = (rows[1:] == rows[:-1]) & (types[1:] == types[:-1])
    _check_values(twice, "type", types[1:], rows[1:], close_time, who, "each type at most once a candle")
    checked = Signals.__new__(Signals)
    checked.rows, checked.types = rows.astype(np.int64), types.astype(np.int8)
    checked.confidence = sure
    checked.metadata = {name: column.copy() for name, column in metadata.items()}
    return checked


def _check_shapes(signals: Signals, who: str) -> None:
    for name, (kinds, words) in _FIELDS.items():
        array = getattr(signals, name)
        if not isinstance(array, np.ndarray) or array.ndim != 1 or len(array) != signals.rows.size:
            raise PluginContractError(
                f"{who} gave {name} as {_shape(array)}, expected one value for each signal"
            )
        if array.dtype.kind not in kinds and len(array):
            raise PluginContractError(f"{who} gave {name} of type {array.dtype}, expected {words}")
    if not isinstance(signals.metadata, Mapping):
        raise PluginContractError(
            f"{who} gave metadata as {_shape(signals.metadata)}, expected a dict of columns"
        )
    for key, column in signals.metadata.items():
        if not isinstance(key, str):
            raise PluginContractError(f"{who} gave metadata under {key!r:.60}, expected names")
        if not isinstance(column, np.ndarray) or column.shape != signals.rows.shape:
            raise PluginContractError(
                f"{who} gave metadata '{key}' as {_shape(column)}, expected one value for each signal"
            )
        if column.dtype.kind not in _METADATA_KINDS:
            raise PluginContractError(
                f"{who} gave metadata '{key}' of type {column.dtype}, expected numbers, booleans or texts"
            )


def _shape(value: object) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _check_rows(rows: IntArray, types: npt.NDArray[np.integer], count: int, who: str) -> None:
    if not in_order(rows, types):
        raise PluginContractError(f"{who} gave rows out of order, expected the order that Signals gives them")
    for bad in (int(rows[0]), int(rows[-1])):
        if not 0 <= bad < count:
            raise PluginContractError(f"{who} gave a signal at row {bad}, expected 0 to {count - 1}")


def _check_values(
    bad: npt.NDArray[np.bool_],
    field: str,
    values: npt.NDArray[np.generic],
    rows: IntArray,
    close_time: IntArray,
    who: str,
    expected: str,
) -> None:
    if not bad.any():
        return
    first = int(np.flatnonzero(bad)[0])
    value = values[first].item()
    if field == "type" and value in _CODES:
        value = SignalType(value).name
    raise PluginContractError(
        f"{who} gave the {field} {value!r} at the candle that closes at "
        f"{iso(int(close_time[rows[first]]))}, expected {expected}"
    )
