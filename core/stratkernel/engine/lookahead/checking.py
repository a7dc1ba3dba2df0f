"""Is a strategy honest? Prefixes, poisoned futures and exact windows must not change its signals.

`check_lookahead` looks thoroughly, `sample_lookahead` cheaply enough for every run, `refuse_lookahead` is
the sample as a condition. A cause is in the strategy or in an indicator that it reads (they see later
candles, or reach further back than they declare), not in the engine.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.lookahead.checker import Checker
from stratkernel.engine.lookahead.cuts import sampled_cuts, thorough_cuts
from stratkernel.engine.lookahead.report import LookaheadError, LookaheadFinding, LookaheadReport
from stratkernel.engine.lookahead.subject import Subject
from stratkernel.engine.run_setup import RunOptions, set_up_run
from stratkernel.engine.stream import StrategyStream
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.manager import Kernel

__all__ = [
    "LookaheadError",
    "LookaheadFinding",
    "LookaheadReport",
    "check_lookahead",
    "refuse_lookahead",
    "sample_lookahead",
]

SAMPLE_ROWS: Final = 1_000
"""Candles of a sample beyond the warm-up."""


def check_lookahead(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    *,
    venue_candles: Mapping[str, Candles] | None = None,
    clock: Clock | None = None,
) -> LookaheadReport:
    """Look at a strategy and every indicator that it reads, thoroughly.

    Prefixes behind every candle up to 2,000 and a coprime step beyond, futures multiplied by 10, by 0.001
    and at random, evaluation on exactly `window` rows, chunks of 1, 7, 64 and 1,000 with saved state,
    histories that begin later. Origin and gap rule are those of the options, their range is not: a longer
    series shows more.

    Raises:
        PluginError: code of a plugin failed or broke its contract.
        DataError: there is no candle from the origin on.
        UsageError: the strategy reads a timeframe that cannot be made of the candles.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    new_stream, columns = _set_up(kernel, strategy, candles, options, venue_candles)
    subject = Subject(new_stream, columns)
    checker = Checker(subject, thorough_cuts(len(columns), subject.first))
    checker.run()
    if not subject.is_recalculated and not len(subject.says(0, len(subject.data)).signals):
        checker.notes.append("no signal comes of these candles: of the strategy there was little to compare")
    return _report(subject, checker, clock.monotonic() - began)


def sample_lookahead(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    *,
    venue_candles: Mapping[str, Candles] | None = None,
    clock: Clock | None = None,
) -> LookaheadReport:
    """The same at a few places, most of them at signals, on the newest candles or, without a signal there,
    on the oldest; the same places for the same candles. Takes a few hundredths of a second.

    Raises:
        PluginError, DataError, UsageError: as `check_lookahead`.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    new_stream, columns = _set_up(kernel, strategy, candles, options, venue_candles)
    rows = min(new_stream().warm_up + SAMPLE_ROWS, len(columns))
    checker: Checker | None = None
    subject: Subject | None = None
    for start in sorted({len(columns) - rows, 0}, reverse=True):
        subject = Subject(new_stream, columns.slice(start, start + rows))
        recalculated = subject.is_recalculated
        said = np.empty(0, dtype=np.int64) if recalculated else subject.signals(subject.columns).signals.rows
        checker = Checker(subject, sampled_cuts(rows, subject.first, said, recalculated=recalculated))
        if len(said) or recalculated:
            break
    assert checker is not None
    assert subject is not None
    checker.run()
    return _report(subject, checker, clock.monotonic() - began)


def refuse_lookahead(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    *,
    venue_candles: Mapping[str, Candles] | None = None,
) -> LookaheadReport:
    """`sample_lookahead`, before the results of a strategy are shown or saved.

    Raises:
        LookaheadError: something was found; says what, at which candle, and how to look closer.
        PluginError, DataError, UsageError: as `check_lookahead`.
    """
    report = sample_lookahead(kernel, strategy, candles, options, venue_candles=venue_candles)
    if not report.honest:
        found = "\n  ".join(str(finding) for finding in report.findings)
        raise LookaheadError(
            f"{strategy.strategy_name} is not honest, so nothing of this run is shown or saved:\n  {found}\n"
            "`stratkernel check-lookahead` looks at every candle; --no-check runs it all the same"
        )
    return report


def _set_up(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None,
    venue_candles: Mapping[str, Candles] | None,
) -> tuple[Callable[[], StrategyStream], Columns]:
    """New streams of the strategy, and the candles from the origin on, of those between resets the most."""
    whole = replace(options or RunOptions(), start=None, end=None)
    setup = set_up_run(kernel, strategy, candles, whole, venue_candles)
    bounds = np.array([0, *setup.outcome.resets.tolist(), len(setup.outcome.candles)])
    longest = int(np.argmax(np.diff(bounds)))
    columns = setup.outcome.candles.columns.slice(int(bounds[longest]), int(bounds[longest + 1]))
    item, indicators = setup.stream.item, IndicatorFactory(kernel)
    return (lambda: StrategyStream(strategy, item, indicators, setup.plan)), columns


def _report(subject: Subject, checker: Checker, seconds: float) -> LookaheadReport:
    return LookaheadReport(
        strategy=subject.strategy.strategy_name,
        candles=len(subject),
        findings=tuple(checker.findings),
        checked=dict(checker.checked),
        notes=tuple(checker.notes),
        seconds=seconds,
    )
