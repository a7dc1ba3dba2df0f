"""A validator that marks signals: one finding that counts them, at the first of them."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from stratkernel.contracts.arrays import BoolArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.timeframes import iso
from stratkernel.contracts.validator import Finding, Severity, SignalValidator


class CountingValidator(SignalValidator):
    """Write `marks`; `says` ends the sentence "3 of 120 signals ...", `severity` is how bad it is."""

    severity: ClassVar[Severity] = "warning"
    says: ClassVar[str]
    reads: ClassVar[int | None] = None
    """How many candles up to a signal's own `marks` looks at; 0 none of them, None possibly all."""

    tolerated: ClassVar[float] = 0.0
    """The share of signals up to which nothing is said."""

    @abstractmethod
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        """The signals that it is about, shape (signals,); never called without a signal."""

    def validate(self, candles: Candles, signals: SignalTable) -> Iterable[Finding]:
        if not len(signals):
            return []
        return self.findings(self.marks(candles, signals), len(candles), signals)

    def findings(self, marks: BoolArray, candles: int, signals: SignalTable) -> list[Finding]:
        """The finding that marks of these signals of so many candles make, if they do."""
        total = len(signals)
        marked = np.flatnonzero(marks)
        if len(marked) <= self.tolerated * total:
            return []
        first = int(marked[0])
        row = int(signals.rows[first])
        message = (
            f"{len(marked):,} of {total:,} {'signal' if total == 1 else 'signals'} {self.says}, "
            f"the first at {iso(int(signals.timestamp[first]))}"
        )
        inside = row if 0 <= row < candles else None
        return [Finding(self.name, message, self.severity, inside, len(marked))]
