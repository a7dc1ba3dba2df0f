"""The quality report of a streamed run: as in memory, but for what needs all candles at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratkernel.contracts.admission_report import AdmissionReport
from stratkernel.contracts.candles import OUTLIER_FACTOR, Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.validator import RunContext
from stratkernel.engine.streaming.gap_fold import GapFold
from stratkernel.engine.streaming.validator_fold import ValidatorFold
from stratkernel.engine.validation import KnownCandles, Warmth, candle_facts, compose_report
from stratkernel.kernel.manager import Kernel

SIGNIFICANCE = "significance"
"""What the report calls the test against random entries, which needs all prices."""


class QualityFold:
    """Looks at candles and signals as they come.

    The report's `left_out` names what it could not look at without all candles: the test of significance,
    and validators that do not say how many candles they read. It is there only in streamed runs.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._validators = ValidatorFold(kernel)
        self._calendar = ""
        self._count = self._marked = self._outliers = 0
        self._last_close: float | None = None
        self._moves = False

    def advance(self, candles: Candles, signals: SignalTable) -> None:
        """Add the next candles that come out, and their signals, whose rows count within them."""
        self._validators.advance(candles, signals)
        self._calendar = candles.calendar.value
        self._count += len(candles)
        self._marked += 0 if candles.marked is None else int(np.count_nonzero(candles.marked))
        self._outliers += candles.outliers
        close = candles.columns.close
        first = float(close[0])
        if self._last_close is not None:
            ratio = first / self._last_close
            self._outliers += ratio > OUTLIER_FACTOR or ratio < 1.0 / OUTLIER_FACTOR
            self._moves = self._moves or first != self._last_close
        self._moves = self._moves or bool(np.any(close != first))
        self._last_close = float(close[-1])

    def report(
        self,
        signals: SignalTable,
        warmth: Warmth,
        resets: Sequence[int],
        gaps: GapFold,
        *,
        folded: int,
        admission: AdmissionReport | None,
        exits: bool,
    ) -> dict[str, Any]:
        """The report of all; rows of `signals` count from the first candle that came out."""
        stretches = warmth.stretches(resets, folded)
        checked = self._validators.result(signals, RunContext(stretches, exits))
        known = KnownCandles(
            folded=folded,
            warm_up=warmth.warm_up,
            evaluated=sum(stop - first for first, stop in stretches),
            total=self._count,
            moves=self._moves,
            facts=candle_facts(
                self._calendar,
                (gaps.missing, gaps.gaps),
                marked=self._marked,
                outliers=self._outliers,
                admission=admission,
            ),
        )
        report = compose_report(known, signals, checked.findings, checked.failures)
        return report | {"left_out": [SIGNIFICANCE, *checked.left_out]}
