"""The timeframe of candles, from the times at which they open."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from stratkernel.contracts.admission_rules import FIRST_PLAUSIBLE, PAST_PLAUSIBLE
from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.timeframes import DAY, HOUR, MINUTE, TIMEFRAMES, Timeframe
from stratkernel.kernel.errors import DataError, UsageError

LENGTHS: Final = {micros: name for name in TIMEFRAMES if (micros := Timeframe(name).micros) is not None}
_MONTH: Final = (28 * DAY, 31 * DAY)
_LONG_RUN: Final = 20
SHORTEST_RUN: Final = 3
_MIXED_SHARE: Final = 0.2
MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Inferred:
    """A timeframe and the share of candles that follow their predecessor by exactly it."""

    timeframe: Timeframe
    share: float


def timeframe_of(
    open_time: IntArray, given: str | None, where: str, *, omits_empty: bool = False
) -> tuple[Timeframe, str]:
    """The timeframe that was given or is inferred, and a note that says which.

    What is given must be what the candles show: a longer candle read as a short one would be known too
    early. Only a source that omits empty candles may seem to have longer ones than it has.

    Raises:
        UsageError: it cannot be told, or what was given contradicts the candles; names `--timeframe`.
        DataError: several timeframes are mixed.
    """
    wanted = Timeframe(given) if given is not None else None
    time = open_time[(open_time >= FIRST_PLAUSIBLE) & (open_time < PAST_PLAUSIBLE)]
    if not np.all(time[1:] > time[:-1]):
        time = np.sort(time)
        time = time[np.concatenate(([True], time[1:] != time[:-1]))] if len(time) else time
    found = infer_timeframe(time, where)
    if wanted is None:
        if isinstance(found, str):
            raise UsageError(f"{where}: the timeframe cannot be told: {found}; say it with --timeframe")
        return found.timeframe, f"timeframe {found.timeframe} (inferred from {found.share:.0%} of the steps)"
    if isinstance(found, str) or found.timeframe == wanted:
        return wanted, f"timeframe {wanted} (given)"
    accept_timeframe(wanted, found.timeframe, where, omits_empty=omits_empty)
    return wanted, f"timeframe {wanted} (given)"


def accept_timeframe(wanted: Timeframe, found: Timeframe, where: str, *, omits_empty: bool) -> None:
    """Refuse a timeframe that the candles contradict. Raises `UsageError`."""
    shorter = wanted.approximate_micros < found.approximate_micros
    if wanted != found and not (omits_empty and shorter):
        raise UsageError(
            f"{where}: its candles are {found}, not {wanted}; use --timeframe {found}, or leave it out"
        )


def infer_timeframe(time: IntArray, where: str) -> Inferred | str:
    """The timeframe of distinct ascending open times, or why it cannot be told.

    It is the step that most candles take, or, in a source that omits empty candles, the smallest step
    when it is also the most common one.

    Raises:
        DataError: runs of another timeframe are among them.
    """
    if len(time) < 2:
        return f"there {'is one candle' if len(time) else 'are no candles'}"
    steps = np.diff(time)
    if _all_open_months(time):
        return Inferred(Timeframe("1M"), 1.0)
    sizes, counts = _counted(steps)
    top = int(counts.argmax())
    step, share = int(sizes[top]), float(counts[top] / len(steps))
    name = LENGTHS.get(step)
    if name is None:
        return f"candles mostly follow each other after {spell(step)}, which is no timeframe that is known"
    _refuse_mixture(steps, step, time, where)
    timeframe = Timeframe(name)
    steady = bool(np.all(sizes % step == 0)) and bool(np.all(timeframe.is_aligned(time)))
    if share > MOST or (steady and step == int(sizes[0])):
        return Inferred(timeframe, share)
    return f"only {share:.0%} of the candles follow each other after {spell(step)}, the most common step"


def _all_open_months(time: IntArray) -> bool:
    steps = np.diff(time)
    regular = (steps >= _MONTH[0]) & (steps <= _MONTH[1])
    return bool(np.mean(regular) > MOST and np.all(Timeframe("1M").is_aligned(time)))


def _refuse_mixture(steps: IntArray, step: int, time: IntArray, where: str) -> None:
    for size, name in LENGTHS.items():
        if size == step:
            continue
        same = steps == size
        if np.count_nonzero(same) < SHORTEST_RUN:
            continue
        lengths, starts = runs_of(same)
        in_runs = int(lengths[lengths >= SHORTEST_RUN].sum())
        if is_mixture(int(lengths.max()), in_runs, len(steps)):
            raise mixture(where, LENGTHS[step], name, int(time[starts[lengths.argmax()]]))


def is_mixture(longest: int, in_runs: int, steps: int) -> bool:
    """Whether runs of another step are more than now and then."""
    return longest >= _LONG_RUN or in_runs > _MIXED_SHARE * steps


def mixture(where: str, most: str, other: str, since: int) -> DataError:
    """Two timeframes in one series, the other one since a time, microseconds UTC."""
    at = np.datetime64(since, "us").astype("datetime64[s]")
    return DataError(f"{where}: mixes timeframes: {most} and, from {at}Z on, {other}; split the file")


def _counted(steps: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct values, ascending, and how often each is there."""
    if np.all(steps == steps[0]):
        return steps[:1], np.array([len(steps)])
    return np.unique(steps, return_counts=True)


def runs_of(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Lengths and starts of the runs of true values."""
    edges = np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))
    starts = np.flatnonzero(edges == 1)
    return np.flatnonzero(edges == -1) - starts, starts


def spell(micros: int) -> str:
    """A length of time for people."""
    for size, unit in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if micros >= size and micros % size == 0:
            return f"{micros // size} {unit}"
    return f"{micros / 1e6:g} seconds"
