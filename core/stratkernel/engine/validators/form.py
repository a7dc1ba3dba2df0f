"""Signals that cannot be: what the engine never makes, but a table from elsewhere may hold."""

import numpy as np
from typing_extensions import override

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.engine.validators.counting import CountingValidator


class OutOfOrder(CountingValidator):
    """A signal that is earlier than one before it, or an exit behind an entry of its candle."""

    name = "out_of_order"
    severity = "error"
    reads = 0
    says = "come after a later one"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        keys = _keys(signals)
        return np.asarray(np.concatenate(([False], keys[1:] < np.maximum.accumulate(keys)[:-1])))


class Duplicate(CountingValidator):
    """The same type twice at one time."""

    name = "duplicate"
    severity = "error"
    reads = 0
    says = "are there twice"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        keys = _keys(signals)
        if (keys[1:] > keys[:-1]).all():
            return np.zeros(len(keys), dtype=np.bool_)
        order = np.argsort(keys, kind="stable")
        again = np.zeros(len(keys), dtype=np.bool_)
        again[order[1:]] = keys[order[1:]] == keys[order[:-1]]
        return again


class DuringWarmUp(CountingValidator):
    """A signal at a candle at which indicators were not defined yet, where the run tells which these are."""

    name = "during_warm_up"
    severity = "error"
    reads = 0
    says = "come before the indicators were defined"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        evaluated = self.context.evaluated
        if evaluated is None:
            return np.zeros(len(signals), dtype=np.bool_)
        bounds = np.array(evaluated, dtype=np.int64).ravel()
        return np.asarray(np.searchsorted(bounds, signals.rows, side="right") % 2 == 0)


class PriceOutsideCandle(CountingValidator):
    """A price that its candle did not see, or a signal of a candle that is not there."""

    name = "price_outside_candle"
    severity = "error"
    reads = 1
    says = "have a price that their candle never had"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        rows, price = signals.rows, signals.price
        high, low = candles.columns.high, candles.columns.low
        if int(rows.min()) >= 0 and int(rows.max()) < len(candles):
            return np.asarray(~((price <= high.take(rows)) & (price >= low.take(rows))))
        outside = np.ones(len(signals), dtype=np.bool_)
        there = np.flatnonzero((rows >= 0) & (rows < len(candles)))
        known = rows[there]
        outside[there] = ~((price[there] <= high[known]) & (price[there] >= low[known]))
        return outside


class ConfidenceRange(CountingValidator):
    """A confidence that is no number from 0 to 1."""

    name = "confidence_range"
    severity = "error"
    reads = 0
    says = "have a confidence outside 0 to 1"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        return np.asarray(~((signals.confidence >= 0.0) & (signals.confidence <= 1.0)))


def _keys(signals: SignalTable) -> IntArray:
    """Numbers that ascend with time and, at one time, with the type."""
    return np.asarray(signals.timestamp * len(SignalType) + signals.types)
