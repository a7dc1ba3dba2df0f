"""A strategy's signals over chunks of candles, with gaps treated and flags set."""

import dataclasses
from typing import Any

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.result import StrategyRun
from stratkernel.contracts.signals import Signals, SignalTable
from stratkernel.engine.gaps import GapOutcome
from stratkernel.engine.run import signal_table
from stratkernel.engine.stream import FlagArray, StrategyStream
from stratkernel.engine.streaming.growing import GrowingColumns

_COLUMNS = ("rows", "timestamp", "types", "price", "confidence", "flags")
_META = "metadata."


class SignalFold:
    """Advances a stream over candles and their gaps; `starts` and `resets` are those of `Warmth`."""

    def __init__(self, stream: StrategyStream, run: StrategyRun) -> None:
        self._stream, self._run = stream, run
        self._last_gap: int | None = None
        self.rows = 0
        self.resets: list[int] = []
        self._starts: list[int] = []

    @property
    def starts(self) -> tuple[int, ...]:
        """Rows at which evaluation began after the origin and each reset."""
        return (*self._starts, self.rows - self._stream.evaluated)

    def advance(self, outcome: GapOutcome) -> SignalTable:
        """The signals of the next candles; their rows count within these."""
        parts: list[Signals] = []
        flags: list[FlagArray] = []
        bounds = [*outcome.resets.tolist(), len(outcome.candles)]
        start = 0
        for stop in bounds:
            if stop > start:
                part, part_flags = self._stream.advance_flagged(outcome.candles.columns.slice(start, stop))
                part.rows = part.rows + start
                parts.append(part)
                flags.append(part_flags)
                self.rows += stop - start
            if stop < len(outcome.candles):
                self._starts.append(self.rows - self._stream.evaluated)
                self.resets.append(self.rows)
                self._stream.reset()
            start = stop
        signals = parts[0] if len(parts) == 1 else Signals.join([part for part in parts if len(part)])
        return signal_table(
            signals,
            np.concatenate(flags),
            dataclasses.replace(outcome, after=self._gaps(outcome)),
            self._stream.warm_up,
            self._run,
        )

    def _gaps(self, outcome: GapOutcome) -> IntArray:
        """The gaps that a signal may follow: the last one before these candles too."""
        after = outcome.after
        before = self.rows - len(outcome.candles)
        if self._last_gap is not None:
            after = np.concatenate(([self._last_gap - before], after))
        if len(after):
            self._last_gap = int(after[-1]) + before
        return after


class SignalCollector:
    """Signals of all chunks as one table."""

    def __init__(self) -> None:
        self._columns = GrowingColumns()

    def append(self, table: SignalTable, before: int) -> None:
        """Add signals whose rows count from the candle after `before` others."""
        if not len(table):
            return
        self._columns.append((("rows", table.rows + before),))
        self._columns.append((name, getattr(table, name)) for name in _COLUMNS[1:])
        self._columns.append((_META + name, column) for name, column in table.metadata.items())

    def table(self, empty: SignalTable) -> SignalTable:
        """All signals; `empty` is a table of the same run without any."""
        kept = self._columns.all
        if not kept:
            return empty
        metadata = {name.removeprefix(_META): c for name, c in kept.items() if name.startswith(_META)}
        columns: dict[str, Any] = {name: kept[name] for name in _COLUMNS}
        return SignalTable(about=empty.about, **columns, metadata=metadata)
