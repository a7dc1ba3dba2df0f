"""Candles of an import that contradict stored ones, or those of another file: what to tell of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.storage import CandleStorage
from stratkernel.contracts.stored import Series
from stratkernel.contracts.timeframes import iso
from stratkernel.kernel.errors import one_line

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 5
_STORED: Final = "the database"


@dataclass(frozen=True, eq=False)
class Contradiction:
    """Candles of a file, which has `total`, that another file or the database has with other values.

    `open_time` has shape (n,), microseconds UTC; `old` are the columns of that other place, `new` those of
    the file.
    """

    series: Series
    file: str
    place: str
    total: int
    open_time: IntArray
    old: Mapping[str, FloatArray]
    new: Mapping[str, FloatArray]

    def lines(self, shown: int | None) -> Iterator[str]:
        """What it is, and then a line for each of the first candles (`None`: for all)."""
        file, count = one_line(self.file, 200), len(self.open_time)
        where = "are stored" if self.place == _STORED else f"are in {one_line(self.place, 200)}"
        yield (
            f"{one_line(str(self.series))}: {count:,} of {self.total:,} candles of {file} {where} with other "
            "values, nothing of this series was written:"
        )
        said = ("stored", "new") if self.place == _STORED else ("there", "here")
        for row in range(count if shown is None else min(shown, count)):
            pairs = (
                (name, float(self.old[name][row]), float(self.new[name][row])) for name in CANDLE_COLUMNS
            )
            changes = [f"{name} {a!r} {said[0]}, {b!r} {said[1]}" for name, a, b in pairs if a != b]
            yield f"  {iso(int(self.open_time[row]))}  {'; '.join(changes)}"


def between_files(series: Series, parts: Sequence[tuple[str, Candles]]) -> list[Contradiction]:
    """Where files that are imported together contradict each other, later ones against earlier ones."""
    found: list[Contradiction] = []
    for place, (file, candles) in enumerate(parts):
        for earlier, others in parts[:place]:
            found += _contradiction(series, file, candles, earlier, [others])
    return found


def with_stored(
    storage: CandleStorage, series: Series, parts: Sequence[tuple[str, Candles]]
) -> list[Contradiction]:
    """Where files have other values than what is stored of their series."""
    found: list[Contradiction] = []
    for file, candles in parts:
        if len(candles):
            stored = storage.chunks(series, int(candles.open_time[0]), int(candles.open_time[-1]) + 1)
            found += _contradiction(series, file, candles, _STORED, stored)
    return found


def message(found: Sequence[Contradiction], written_to: Path | None) -> str:
    """What to tell of the contradictions of one series, and what to do."""
    lines = list(chain.from_iterable(each.lines(_SHOWN) for each in found))
    more = sum(max(0, len(each.open_time) - _SHOWN) for each in found)
    if written_to is not None:
        lines.append(f"All of them are in {written_to}.")
    elif more:
        lines.append(f"  and {more:,} more; --conflicts FILE writes all of them")
    if any(each.place != _STORED for each in found):
        lines.append("Leave one of the files out, or let the later one win (--overwrite)")
    else:
        lines.append(
            "Overwrite them (--overwrite) if the new ones are right, or name another venue (--venue)"
        )
    return "\n".join(lines)


def frame(found: Sequence[Contradiction]) -> "pd.DataFrame":
    """A row for each value that differs: which candle, the column, both values and where they are from."""
    import pandas as pd

    parts = []
    for each in found:
        for name in CANDLE_COLUMNS:
            differs = each.old[name] != each.new[name]
            columns = {
                "symbol": each.series.symbol,
                "timeframe": each.series.timeframe,
                "venue": each.series.venue,
                "open_time": pd.to_datetime(each.open_time[differs], unit="us", utc=True),
                "column": name,
                "old": each.old[name][differs],
                "new": each.new[name][differs],
                "old_from": each.place,
                "new_from": each.file,
            }
            if differs.any():
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True).sort_values("open_time", kind="stable")


def _contradiction(
    series: Series, file: str, candles: Candles, place: str, others: Iterable[Candles]
) -> Iterator[Contradiction]:
    """Nothing where all values at common times are equal."""
    pairs = [pair for other in others if _overlap(candles, other) for pair in _differing(other, candles)]
    if pairs:
        times, old, new = zip(*pairs, strict=True)
        yield Contradiction(
            series,
            file,
            place,
            len(candles),
            np.concatenate(times),
            {name: np.concatenate([values[name] for values in old]) for name in CANDLE_COLUMNS},
            {name: np.concatenate([values[name] for values in new]) for name in CANDLE_COLUMNS},
        )


def _overlap(one: Candles, other: Candles) -> bool:
    if not len(one) or not len(other):
        return False
    return bool(one.open_time[0] <= other.open_time[-1] and other.open_time[0] <= one.open_time[-1])


def _differing(
    old: Candles, new: Candles
) -> Iterator[tuple[IntArray, Mapping[str, FloatArray], Mapping[str, FloatArray]]]:
    """The candles of a common time with other values, from both."""
    times, ours, theirs = np.intersect1d(
        old.open_time, new.open_time, assume_unique=True, return_indices=True
    )
    unequal = np.zeros(len(times), dtype=bool)
    for name in CANDLE_COLUMNS:
        unequal |= old.columns[name][ours] != new.columns[name][theirs]
    if unequal.any():
        yield (
            times[unequal],
            {name: old.columns[name][ours[unequal]] for name in CANDLE_COLUMNS},
            {name: new.columns[name][theirs[unequal]] for name in CANDLE_COLUMNS},
        )
