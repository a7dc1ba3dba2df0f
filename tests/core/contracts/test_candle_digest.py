"""The hash of a series is of its candles, not of the chunks that it came in."""

import hashlib

import numpy as np
import pytest

from stratkernel.contracts.candle_digest import CandleDigest
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.testing import candles_from_close, random_walk


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_candle_digest_of_chunks_is_that_of_the_whole(size: int) -> None:
    candles = candles_from_close(random_walk(500, seed=3))
    digest = CandleDigest()
    for start in range(0, len(candles), size):
        part = candles.slice(start, start + size)
        digest.update(part.open_time, part.columns)
    assert digest.hexdigest() == candles.data_hash


def test_candle_digest_is_what_its_description_says() -> None:
    candles = candles_from_close(random_walk(50, seed=4))
    parts = [candles.open_time, *(candles.columns[name] for name in CANDLE_COLUMNS)]
    digests = b"".join(hashlib.sha256(part.tobytes()).digest() for part in parts)
    assert candles.data_hash == hashlib.sha256(digests).hexdigest()


def test_candle_digest_one_bit_of_one_candle_changes_it() -> None:
    candles = candles_from_close(random_walk(50, seed=4))
    changed = {name: candles.columns[name].copy() for name in CANDLE_COLUMNS}
    changed["volume"][31] = np.nextafter(changed["volume"][31], np.inf)
    digest = CandleDigest()
    digest.update(candles.open_time, type(candles.columns)(changed, candles.close_time))
    assert digest.hexdigest() != candles.data_hash
