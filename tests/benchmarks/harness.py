"""Side-by-side timing: variants take turns in one process, and only their ratios are reported.

CPU time of the process, so that other work on the machine counts less; each round runs every variant
once, in an order that rotates; ratios are taken within a round and their median is reported.
"""

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MINIMUM_SECONDS = 0.01
"""How long one turn lasts at least: short calls are repeated."""


@dataclass(frozen=True)
class Comparison:
    """Seconds a call of each variant, one figure a round; the rounds of all variants belong together."""

    seconds: Mapping[str, Sequence[float]]

    def ratio(self, variant: str, to: str) -> float:
        """How many times as long as `to` a variant takes: the median over the rounds."""
        pairs = zip(self.seconds[variant], self.seconds[to], strict=True)
        return median(one / other for one, other in pairs)

    def typical(self, variant: str) -> float:
        """Median seconds a call."""
        return median(self.seconds[variant])

    def fastest(self, variants: Iterable[str]) -> str:
        """The variant with the shortest median."""
        return min(variants, key=self.typical)


def compare(variants: Mapping[str, Callable[[], object]], *, rounds: int = 15) -> Comparison:
    """Time variants in turns; each is called once before, to compile and to fill caches."""
    names = list(variants)
    repeats = {name: _repeats(variants[name]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    try:
        for turn in range(rounds):
            start = turn % len(names)
            for name in names[start:] + names[:start]:
                seconds[name].append(_cpu_seconds(variants[name], repeats[name]))
            gc.collect()
    finally:
        gc.enable()
    return Comparison(seconds)


def _repeats(call: Callable[[], object]) -> int:
    call()
    return max(1, round(MINIMUM_SECONDS / max(_cpu_seconds(call, 1), 1e-7)))


def _cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    before = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - before) / repeats


def markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; floats with three significant digits."""
    lines = [" | ".join(headings), " | ".join("---" for _ in headings)]
    lines += [" | ".join(_cell(value) for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
