"""What the checks of honesty found: at which candle, in which column, and what is likely behind it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias

from stratkernel.kernel.errors import StratkernelError

Check: TypeAlias = Literal["prefix", "poison", "window", "chunk", "warm_up", "repeat"]


_WORDS: Final[Mapping[str, str]] = {
    "repeat": "repeated",
    "prefix": "prefixes",
    "poison": "made-up futures",
    "window": "exact windows",
    "chunk": "ways to cut it",
    "warm_up": "later beginnings",
}


class LookaheadError(StratkernelError):
    """A strategy or an indicator whose past depends on what it cannot have known."""


@dataclass(frozen=True, slots=True)
class LookaheadFinding:
    """One way in which a strategy or an indicator is not honest.

    `who` is the strategy or the indicator with its plugin, `column` what changed (`signal`, `confidence`,
    `metadata 'x'`, `output 'x'`), `candle` the close time (ISO 8601) of the first candle at which it did.
    """

    check: Check
    who: str
    column: str
    candle: str
    message: str
    cause: str

    def __str__(self) -> str:
        where = f"{self.who}: {self.column} at the candle that closes at {self.candle}"
        return f"{where}: {self.message}; {self.cause}"


@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """The findings, and what was compared: for each check the number of comparisons.

    `notes` tell what is no finding: indicators that depend on where the history began, checks that could
    not be made. `seconds` is how long it took.
    """

    strategy: str
    candles: int
    findings: tuple[LookaheadFinding, ...]
    checked: Mapping[str, int]
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def honest(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def lines(self) -> list[str]:
        """For people."""
        compared = ", ".join(f"{count:,} {_WORDS[check]}" for check, count in self.checked.items())
        lines = [f"{self.strategy} on {self.candles:,} candles: {compared}; {self.seconds:.1f} s"]
        lines += [f"FOUND {finding}" for finding in self.findings]
        lines += [f"note: {note}" for note in self.notes]
        return lines if self.findings else [*lines, "nothing found: no signal knew a later candle"]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "strategy": self.strategy,
            "candles": self.candles,
            "honest": self.honest,
            "findings": [asdict(finding) for finding in self.findings],
            "checked": dict(self.checked),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
