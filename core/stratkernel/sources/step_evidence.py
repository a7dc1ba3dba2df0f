"""The timeframe of open times that come in parts: what `infer_timeframe` says of all at once."""

from dataclasses import dataclass

import numpy as np

from stratkernel.contracts.admission_rules import FIRST_PLAUSIBLE, PAST_PLAUSIBLE
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.errors import UsageError
from stratkernel.sources.infer import (
    LENGTHS,
    MOST,
    SHORTEST_RUN,
    accept_timeframe,
    is_mixture,
    mixture,
    runs_of,
    spell,
)


@dataclass(slots=True)
class _Runs:
    """Runs of one step: how many steps in those that count, the longest, and the one that may go on."""

    in_runs: int = 0
    longest: int = 0
    longest_at: int = 0
    going: int = 0
    going_from: int = 0

    def close(self) -> None:
        self.add(self.going, self.going_from)
        self.going = 0

    def add(self, length: int, at: int) -> None:
        if length >= SHORTEST_RUN:
            self.in_runs += length
        if length > self.longest:
            self.longest, self.longest_at = length, at


def even_step(time: IntArray) -> int:
    """The step between all times, where it is one and the same; else 0."""
    if len(time) < 2:
        return 0
    step = int(time[1]) - int(time[0])
    if int(time[-1]) - int(time[0]) != step * (len(time) - 1):
        return 0
    return step if bool(np.all(time[1:] - time[:-1] == step)) else 0


class StepEvidence:
    """Counts the steps between ascending open times; memory for the distinct ones only."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._runs: dict[int, _Runs] = {}
        self._last: int | None = None

    def update(self, open_time: IntArray) -> None:
        """Add the next open times; those that are not plausible or go back in time are left out."""
        step = even_step(open_time)
        if step > 0 and open_time[0] >= FIRST_PLAUSIBLE and open_time[-1] < PAST_PLAUSIBLE:
            first = int(open_time[0])
            if self._last is None or first - self._last == step:
                count = len(open_time) - (self._last is None)
                self._count(step, count)
                self._one_step(step, count, first if self._last is None else self._last)
                self._last = int(open_time[-1])
                return
        time = open_time[(open_time >= FIRST_PLAUSIBLE) & (open_time < PAST_PLAUSIBLE)]
        if self._last is not None:
            time = np.concatenate(([self._last], time))
        if not np.all(time[1:] > time[:-1]):
            peaks = np.maximum.accumulate(time)
            time = time[np.concatenate(([True], time[1:] > peaks[:-1]))]
        if not len(time):
            return
        self._last = int(time[-1])
        steps = np.diff(time)
        if not len(steps):
            return
        if steps[0] == steps[-1] and np.all(steps == steps[0]):
            self._count(int(steps[0]), len(steps))
            self._one_step(int(steps[0]), len(steps), int(time[0]))
            return
        sizes, counts = np.unique(steps, return_counts=True)
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
            self._count(size, count)
        present = {size for size in sizes.tolist() if size in LENGTHS}
        for size in present | set(self._runs):
            self._add_runs(size, steps, time)

    def timeframe(self, found: Timeframe, given: str | None, where: str, *, omits_empty: bool) -> str:
        """The note on a timeframe that the first candles showed or the user gave, now that all were seen.

        Raises:
            UsageError: all candles show another one than the first.
            DataError: several timeframes are mixed.
        """
        if found.micros is None or not self._counts:  # months are told by their first years
            share = 1.0
        else:
            share = self._share_of(found, given, where, omits_empty=omits_empty)
        if given is not None:
            return f"timeframe {found} (given)"
        return f"timeframe {found} (inferred from {share:.0%} of the steps)"

    def _share_of(self, found: Timeframe, given: str | None, where: str, *, omits_empty: bool) -> float:
        total = sum(self._counts.values())
        step = min(self._counts, key=lambda size: (-self._counts[size], size))
        share = self._counts[step] / total
        name = LENGTHS.get(step)
        doubt = None
        if name is None:
            doubt = (
                f"candles mostly follow each other after {spell(step)}, which is no timeframe that is known"
            )
        else:
            self._refuse_mixture(step, total, where)
            steady = step == min(self._counts) and all(size % step == 0 for size in self._counts)
            if share <= MOST and not steady:
                doubt = f"only {share:.0%} of the candles follow each other after {spell(step)}"
        if given is not None:
            if name is not None and doubt is None:
                accept_timeframe(found, Timeframe(name), where, omits_empty=omits_empty)
            return share
        if doubt is not None or name != found.name:
            raise UsageError(
                f"{where}: the first candles are {found}, but {doubt or f'most of all are {name}'}; "
                "say --timeframe"
            )
        return share

    def _refuse_mixture(self, step: int, total: int, where: str) -> None:
        for size, name in LENGTHS.items():
            runs = self._runs.get(size)
            if size == step or runs is None or self._counts.get(size, 0) < SHORTEST_RUN:
                continue
            runs.close()
            if is_mixture(runs.longest, runs.in_runs, total):
                raise mixture(where, LENGTHS[step], name, runs.longest_at)

    def _count(self, size: int, count: int) -> None:
        self._counts[size] = self._counts.get(size, 0) + count

    def _one_step(self, size: int, count: int, at: int) -> None:
        for other, runs in self._runs.items():
            if other != size:
                runs.close()
        if size in LENGTHS:
            runs = self._runs.setdefault(size, _Runs())
            if not runs.going:
                runs.going_from = at
            runs.going += count

    def _add_runs(self, size: int, steps: IntArray, time: IntArray) -> None:
        runs = self._runs.setdefault(size, _Runs())
        same = steps == size
        if not same[0]:
            runs.close()
        lengths, starts = runs_of(same)
        for length, start in zip(lengths.tolist(), starts.tolist(), strict=True):
            if start or not runs.going:
                runs.close()
                runs.going_from = int(time[start])
            runs.going += length
        if not same[-1]:
            runs.close()
