"""Validators of signals over candles that come in chunks."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.validator import Finding, RunContext
from stratkernel.engine.streaming.growing import Growing
from stratkernel.engine.validation import checked_finding
from stratkernel.engine.validators.counting import CountingValidator
from stratkernel.kernel.errors import PluginError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import SIGNAL_VALIDATOR
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.registry import Item


@dataclass(frozen=True, slots=True)
class Validation:
    """What validators found, what the failing ones raised, and which need all candles at once."""

    findings: list[Finding]
    failures: list[str]
    left_out: list[str]


class ValidatorFold:
    """Marks signals with those validators that say how many candles before a signal they read."""

    def __init__(self, kernel: Kernel) -> None:
        self._items = list(kernel.items(SIGNAL_VALIDATOR))
        self._marks: dict[str, Growing[np.bool_]] = {}
        self._failures: dict[str, str] = {}
        self._tail: Candles | None = None
        self._rows = 0
        self._lookback = max((_reads(item) or 0 for item in self._items), default=0)

    def advance(self, candles: Candles, signals: SignalTable) -> None:
        """Add the next candles and their signals, whose rows count within them."""
        self._rows += len(candles)
        kept = max(self._lookback - 1, 0)
        if not kept or self._tail is None:
            self._mark(candles, signals)
            self._tail = candles.slice(max(len(candles) - kept, 0), len(candles))
            return
        # only the first signals look back beyond the chunk, so only its first candles are copied
        early = int(np.searchsorted(signals.rows, kept))
        head = _join(self._tail, candles.slice(0, min(kept, len(candles))))
        first = signals.select(slice(0, early))
        self._mark(head, dataclasses.replace(first, rows=first.rows + len(self._tail)))
        self._mark(candles, signals.select(slice(early, None)))
        longest = candles if len(candles) >= kept else head
        self._tail = longest.slice(max(len(longest) - kept, 0), len(longest))

    def result(self, signals: SignalTable, context: RunContext) -> Validation:
        """What there is to say of all signals, whose rows count from the first candle of all."""
        done = Validation([], [], [])
        nothing = None if self._tail is None else self._tail.slice(0, 0)
        for item in self._items:
            reads = _reads(item)
            if reads is None:
                done.left_out.append(item.title)
                continue
            try:
                with guard(item.title, "while it validated signals"):
                    validator: CountingValidator = item.cls()
                    validator.context = context
                    if item.qualified in self._failures:
                        raise PluginError(self._failures[item.qualified])
                    if not len(signals) or nothing is None:
                        continue
                    marks = self._marks[item.qualified].values if reads else validator.marks(nothing, signals)
                    found = validator.findings(marks, self._rows, signals)
                    done.findings.extend(checked_finding(thing, self._rows, item.title) for thing in found)
            except PluginError as error:
                done.failures.append(str(error))
        return done

    def _mark(self, candles: Candles, signals: SignalTable) -> None:
        if not len(signals):
            return
        for item in self._items:
            if not _reads(item) or item.qualified in self._failures:
                continue
            try:
                with guard(item.title, "while it validated signals"):
                    marks: Any = item.cls().marks(candles, signals)
                    self._marks.setdefault(item.qualified, Growing(np.bool_)).append(marks)
            except PluginError as error:
                self._failures[item.qualified] = str(error)


def _reads(item: Item) -> int | None:
    """How many candles up to a signal's own a validator reads; None where it may read all."""
    return item.cls.reads if issubclass(item.cls, CountingValidator) else None


def _join(one: Candles, other: Candles) -> Candles:
    arrays = {name: np.concatenate((one.columns[name], other.columns[name])) for name in CANDLE_COLUMNS}
    close_time = np.concatenate((one.close_time, other.close_time))
    return dataclasses.replace(
        other,
        open_time=np.concatenate((one.open_time, other.open_time)),
        columns=candle_columns(arrays, close_time),
        marked=None,
    )
