"""Exits that depend on a position: stop-loss, take-profit, trailing stop, longest holding time.

`docs/conventions.md` says when each is touched and at what price it is filled. They belong to the
configuration of a run: `StrategyRun.exits` holds them, and its `config_hash` covers them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from stratkernel.engine.kernels.exit_kernels import ExitLevels
from stratkernel.kernel.errors import UsageError, did_you_mean

EXIT_PREFIX: Final = "exit."
"""What the name of a sweep's axis begins with when it is an exit rule: `exit.stop_loss`."""

EXIT_REASONS: Final = (
    "open",
    "signal",
    "stop_loss",
    "take_profit",
    "trailing_stop",
    "max_bars",
    "liquidated",
)
"""Why a trade ended, at the place of its code."""

_MOST: Final = {"stop_loss": 1.0, "take_profit": 100.0, "trailing_stop": 1.0}
_MOST_BARS: Final = 1_000_000
_NONE: Final = {"none", "off"}


@dataclass(frozen=True, slots=True)
class ExitRules:
    """When a position is left without a signal; `None` is no such rule.

    `stop_loss` and `take_profit` are fractions of the entry price (0.02 is 2 %), `trailing_stop` one of the
    best price since the entry, `max_bars` a number of candles. Stops lie above 0 and below 1, `take_profit`
    above 0 and up to 100, `max_bars` from 1 to 1,000,000. Raises `UsageError` otherwise.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    max_bars: int | None = None

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _fraction(name, value, most))
        bars = self.max_bars
        if bars is not None and (
            isinstance(bars, bool) or not isinstance(bars, int) or not 1 <= bars <= _MOST_BARS
        ):
            raise UsageError(
                f"max_bars: expected a whole number of candles from 1 to {_MOST_BARS:,}, got {bars!r}"
            )

    def __bool__(self) -> bool:
        return any(value is not None for value in asdict(self).values())

    @classmethod
    def of(cls, given: "ExitRules | Mapping[str, Any] | None") -> "ExitRules":
        """Rules from a mapping of their names, as a document or a grid gives them; None is no rule.

        Raises:
            UsageError: an unknown name, or a value out of bounds.
        """
        if isinstance(given, cls):
            return given
        values = dict(given or {})  # type: ignore[arg-type] # mypy does not see that it is no ExitRules any more
        for name in values:
            if name not in EXIT_NAMES:
                raise UsageError(
                    f"unknown exit rule {name!r}.{did_you_mean(name, EXIT_NAMES)} "
                    f"Expected one of: {', '.join(EXIT_NAMES)}"
                )
        return cls(**values)

    def to_dict(self) -> dict[str, float | int]:
        """The rules that there are; empty without any, so that the hash of such a run stays what it was."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def levels(self) -> ExitLevels:
        """The same for the kernel: infinite where there is no rule."""
        return ExitLevels(**self.to_dict())  # type: ignore[arg-type] # floats and one int, each at its name


EXIT_NAMES: Final = tuple(field.name for field in fields(ExitRules))
NO_EXITS: Final = ExitRules()


def split_exits(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of a strategy and exit rules, of a mapping in which those are called `exit.stop_loss`.

    What a sweep does with each combination: `ExitRules.of(split_exits(combination)[1])`.
    """
    own = {name: value for name, value in parameters.items() if not name.startswith(EXIT_PREFIX)}
    rules = {name.removeprefix(EXIT_PREFIX): v for name, v in parameters.items() if name not in own}
    return own, rules


def parse_fraction(name: str, text: str) -> float | None:
    """`2%` or `0.02` as 0.02; `none` as None, which takes a document's rule away.

    Raises:
        UsageError: neither.
    """
    stripped = text.strip()
    if stripped.lower() in _NONE:
        return None
    number, percent, rest = stripped.partition("%")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if rest or not math.isfinite(value):
        raise UsageError(f"{name}: expected a percentage as 2% or a fraction as 0.02, got {text!r}")
    return value / 100.0 if percent else value


def parse_count(name: str, text: str) -> int | None:
    """A whole number of candles; `none` as None.

    Raises:
        UsageError: neither.
    """
    if text.strip().lower() in _NONE:
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name}: expected a whole number of candles, got {text!r}") from None


def _fraction(name: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= most:
        hint = ""
        if isinstance(value, int | float) and not isinstance(value, bool) and 1.0 <= value <= 100.0:
            hint = f"; {value:g} % is {value / 100:g}"
        raise UsageError(f"{name}: expected a fraction above 0 and up to {most:g}, got {value!r}{hint}")
    if value == most == 1.0:
        raise UsageError(f"{name}: expected a fraction below 1, got {value!r}: a price never falls by 100 %")
    return float(value)
