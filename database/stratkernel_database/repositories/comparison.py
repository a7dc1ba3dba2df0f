"""New candles against stored ones, value for value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.timeframes import iso

_SHOWN: Final = 5


@dataclass
class Comparison:
    """Which of new candles are stored (shape (n,)), and which of those with other values."""

    there: BoolArray
    differs: BoolArray
    examples: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many differ."""
        return int(np.count_nonzero(self.differs))

    def __str__(self) -> str:
        more = self.count - len(self.examples)
        rest = [f"and {more:,} more"] if more else []
        return "\n".join(f"  {line}" for line in (*self.examples, *rest))


def compare(candles: Candles, stored: Iterable[Mapping[str, npt.NDArray[Any]]]) -> Comparison:
    """Compare candles with the stored ones of their span, which come in parts, ordered by open time."""
    found = Comparison(np.zeros(len(candles), dtype=bool), np.zeros(len(candles), dtype=bool))
    for part in stored:
        rows = np.searchsorted(candles.open_time, part["open_time"])
        here = np.flatnonzero(candles.open_time[rows] == part["open_time"])
        rows = rows[here]
        unequal = np.zeros(len(rows), dtype=bool)
        for name in CANDLE_COLUMNS:
            unequal |= part[name][here] != candles.columns[name][rows]
        found.there[rows] = True
        found.differs[rows[unequal]] = True
        room = _SHOWN - len(found.examples)
        found.examples += [
            _difference(candles, int(rows[place]), part, here[place])
            for place in np.flatnonzero(unequal)[:room]
        ]
    return found


def _difference(candles: Candles, row: int, part: Mapping[str, npt.NDArray[Any]], place: IntArray) -> str:
    pairs = ((name, float(part[name][place]), float(candles.columns[name][row])) for name in CANDLE_COLUMNS)
    changes = [f"{name} {old!r} stored, {new!r} new" for name, old, new in pairs if old != new]
    return f"{iso(int(candles.open_time[row]))} {', '.join(changes)}"
