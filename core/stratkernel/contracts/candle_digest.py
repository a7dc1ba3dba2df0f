"""The identity of candles, computed as they come: also of series that never are in memory as a whole."""

import hashlib
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns

_PARTS: Final = 1 + len(CANDLE_COLUMNS)


class CandleDigest:
    """SHA-256 over the SHA-256 digests of the open times and of each of the five columns, little-endian.

    A digest of each column, so that the hash of a series does not depend on the chunks that it comes in.
    """

    def __init__(self) -> None:
        self._digests = [hashlib.sha256() for _ in range(_PARTS)]

    def update(self, open_time: IntArray, columns: Columns) -> None:
        """Add the next candles."""
        times, *values = self._digests
        times.update(np.ascontiguousarray(open_time, dtype="<i8").data)
        for digest, name in zip(values, CANDLE_COLUMNS, strict=True):
            digest.update(np.ascontiguousarray(columns[name], dtype="<f8").data)

    def hexdigest(self) -> str:
        """The hash of all candles so far, 64 hexadecimal digits."""
        return hashlib.sha256(b"".join(digest.digest() for digest in self._digests)).hexdigest()
