"""Signals that are possible and hardly meant."""

import numpy as np
from typing_extensions import override

from stratkernel.contracts.arrays import BoolArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.engine.validators.counting import CountingValidator

_SIDES = (
    (SignalType.ENTRY_LONG, SignalType.EXIT_LONG),
    (SignalType.ENTRY_SHORT, SignalType.EXIT_SHORT),
)
_TURN = 2


class EntryWithoutExit(CountingValidator):
    """An entry after which no exit of its side ever comes; the newest may still wait for its own."""

    name = "entry_without_exit"
    reads = 0
    says = "enter without an exit ever after, and no exit rule would leave"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        marked = np.zeros(len(signals), dtype=np.bool_)
        if self.context.exits:
            return marked
        for entry, leave in _SIDES:
            exits = np.flatnonzero(signals.types == leave)
            entries = np.flatnonzero(signals.types == entry)
            left_open = entries[entries > (exits[-1] if len(exits) else -1)]
            marked[left_open[:-1]] = True
        return marked


class FlipFlop(CountingValidator):
    """An entry and an exit of one side within two candles of each other, more often than now and then."""

    name = "flip_flop"
    reads = 0
    says = f"turn around within {_TURN} candles"
    tolerated = 0.2

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        marked = np.zeros(len(signals), dtype=np.bool_)
        for entry, leave in _SIDES:
            own = np.flatnonzero((signals.types == entry) | (signals.types == leave))
            rows, types = signals.rows[own], signals.types[own]
            after = rows[1:] - rows[:-1]
            turns = (after <= _TURN) & (after > 0) & (types[1:] != types[:-1])
            marked[own[1:][turns]] = True
        return marked


class ConflictingDirections(CountingValidator):
    """At one candle entries of both sides, or an entry and an exit of the same side."""

    name = "conflicting_directions"
    reads = 0
    says = "contradict another one of their candle"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        rows, types = signals.rows, signals.types
        marked = np.zeros(len(signals), dtype=np.bool_)
        if (rows[1:] > rows[:-1]).all():
            return marked
        for one, other in ((SignalType.ENTRY_LONG, SignalType.ENTRY_SHORT), *_SIDES):
            both = np.intersect1d(rows[types == one], rows[types == other])
            if len(both):
                marked |= np.isin(rows, both) & ((types == one) | (types == other))
        return marked
