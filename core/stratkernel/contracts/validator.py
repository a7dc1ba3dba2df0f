"""Validators look over the signals of a finished run."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable

Severity: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a validator noticed, at one signal's candle or (`row` None) at all of them.

    `count` is how many signals it is about; `row` then the candle of the first one.
    """

    rule: str
    message: str
    severity: Severity = "warning"
    row: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run knows beyond its candles and signals.

    `evaluated` are the stretches of rows (first, and the one behind the last) at which there could be a
    signal, None where that is not known. `exits` tells that positions are also left by exit rules.
    """

    evaluated: tuple[tuple[int, int], ...] | None = None
    exits: bool = False


class SignalValidator(ABC):
    """A check of signals against the candles that they were made from; it changes nothing.

    `context` is what the run knows besides; the engine sets it before it calls `validate`.
    """

    name: ClassVar[str]
    context: RunContext = RunContext()

    @abstractmethod
    def validate(self, candles: Candles, signals: SignalTable) -> Iterable[Finding]:
        """What is noteworthy about these signals."""
