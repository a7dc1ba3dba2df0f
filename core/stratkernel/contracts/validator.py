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
    """Something that a validator noticed, at one signal or (`row` None) at all of them."""

    rule: str
    message: str
    severity: Severity = "warning"
    row: int | None = None


class SignalValidator(ABC):
    """A check of signals against the candles that they were made from; it changes nothing."""

    name: ClassVar[str]

    @abstractmethod
    def validate(self, candles: Candles, signals: SignalTable) -> Iterable[Finding]:
        """What is noteworthy about these signals."""
