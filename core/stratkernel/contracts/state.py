"""The state of a fold: what it may hold, and its form outside of memory."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgpack
import numpy as np
import numpy.typing as npt

from stratkernel.kernel.errors import StateError, describe

Scalar: TypeAlias = "int | float | bool | str | None"
StateValue: TypeAlias = "Scalar | tuple[Scalar, ...] | npt.NDArray[Any]"
State: TypeAlias = Mapping[str, StateValue]
"""Names to scalars, tuples of scalars and 1-D float64, int64 or bool arrays."""

_FORMAT: Final = 1
_ARRAY: Final = 1
_DTYPES: Final = {"f": "<f8", "i": "<i8", "b": "|b1"}


def encode_state(payload: Mapping[str, Any], header: Mapping[str, Scalar]) -> bytes:
    """Bytes of a (nested) state, every float exact, with a header that says what it belongs to.

    Raises:
        StateError: something in it is of a type that a state cannot hold.
    """
    try:
        return bytes(
            msgpack.packb({"format": _FORMAT, "header": dict(header), "payload": payload}, default=_pack)
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise StateError(f"a state cannot be saved: {describe(error)}") from error


def decode_state(data: bytes, header: Mapping[str, Scalar]) -> dict[str, Any]:
    """The payload of `encode_state`, if it belongs to what `header` says.

    Raises:
        StateError: damaged bytes, or another header: the state must be rebuilt from candles.
    """
    try:
        document = msgpack.unpackb(data, ext_hook=_unpack, use_list=False, strict_map_key=True)
        found, payload = document["header"], document["payload"]
    except Exception as error:
        raise StateError(f"a saved state is damaged ({describe(error)}); rebuild it from candles") from error
    if document.get("format") != _FORMAT or found != dict(header):
        differing = [
            f"{key} {found.get(key)!r} instead of {header[key]!r}"
            for key in header
            if found.get(key) != header[key]
        ]
        text = ", ".join(differing) or f"format {document.get('format')!r} instead of {_FORMAT}"
        raise StateError(f"a saved state belongs to something else ({text}); rebuild it from candles")
    return dict(payload)


def _pack(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1:
        for code, dtype in _DTYPES.items():
            if value.dtype == np.dtype(dtype):
                return msgpack.ExtType(_ARRAY, code.encode() + value.tobytes())
    kind = f"{value.dtype} array of {value.ndim} dimensions" if isinstance(value, np.ndarray) else type(value)
    raise TypeError(f"expected scalars, tuples of them and 1-D float64, int64 or bool arrays, got {kind}")


def _unpack(code: int, data: bytes) -> npt.NDArray[Any]:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    return np.frombuffer(data[1:], dtype=_DTYPES[data[:1].decode()]).astype(_DTYPES[data[:1].decode()])
