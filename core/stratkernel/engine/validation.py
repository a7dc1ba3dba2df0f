"""The quality report of a result: what the candles were like and what the validators noticed."""

import operator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, get_args

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalFlag, SignalTable, SignalType
from stratkernel.contracts.validator import Finding, Severity
from stratkernel.engine.gaps import GapOutcome
from stratkernel.kernel.errors import PluginContractError, PluginError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import SIGNAL_VALIDATOR
from stratkernel.kernel.manager import Kernel


@dataclass(frozen=True, slots=True)
class Warmth:
    """How many candles from an origin or reset on give no signal, and the rows that come out."""

    warm_up: int
    first: int
    last: int

    def evaluated(self, outcome: GapOutcome) -> int:
        """The rows that come out and could have a signal."""
        bounds = [0, *outcome.resets.tolist(), len(outcome.candles)]
        return sum(
            max(0, min(stop, self.last) - max(start + self.warm_up, self.first))
            for start, stop in pairwise(bounds)
        )


_TYPES: Final = {kind.name: kind.value for kind in SignalType}
_FLAGS: Final = {name.lower(): flag.value for name, flag in SignalFlag.__members__.items()}


def quality_report(
    kernel: Kernel, candles: Candles, signals: SignalTable, outcome: GapOutcome, warmth: Warmth
) -> dict[str, Any]:
    """JSON-ready: status, candles (admission, gaps, outliers), signals (counts, flags), findings."""
    findings, failures = run_validators(kernel, candles, signals)
    evaluated = warmth.evaluated(outcome)
    report: dict[str, Any] = {
        "status": _status(candles, signals, evaluated, warmth.warm_up),
        "folded": len(outcome.candles),
        "warm_up": warmth.warm_up,
        "evaluated": evaluated,
        "candles": _candles(candles, outcome),
        "signals": _signals(signals),
        "findings": [
            {"rule": found.rule, "severity": found.severity, "message": found.message, "row": found.row}
            for found in findings
        ],
    }
    if failures:
        report["validator_failures"] = failures
    return report


def run_validators(kernel: Kernel, candles: Candles, signals: SignalTable) -> tuple[list[Finding], list[str]]:
    """What all validators find, and what the failing ones raised; one never stops the others."""
    findings: list[Finding] = []
    failures: list[str] = []
    for item in kernel.items(SIGNAL_VALIDATOR):
        try:
            with guard(item.title, "while it validated signals"):
                found = list(item.cls().validate(candles, signals.select(slice(None))))
                findings += [_checked(thing, len(candles), item.title) for thing in found]
        except PluginError as error:
            failures.append(str(error))
    return findings, failures


def _checked(found: object, rows: int, who: str) -> Finding:
    """The finding in plain Python values, so that it can be stored and printed."""
    if not isinstance(found, Finding):
        raise PluginContractError(f"{who} gave {type(found).__name__}, expected Finding")
    row = None if found.row is None else operator.index(found.row)
    if found.severity not in get_args(Severity) or (row is not None and not 0 <= row < rows):
        raise PluginContractError(
            f"{who} gave a finding of severity {found.severity!r:.30} at row {row}, "
            f"expected {', '.join(get_args(Severity))} and a row below {rows} or None"
        )
    return Finding(str(found.rule), str(found.message), found.severity, row)


def _status(candles: Candles, signals: SignalTable, evaluated: int, warm_up: int) -> str:
    if len(signals):
        return "ok"
    if not evaluated:
        return f"no signals: no candle comes after the warm-up of {warm_up}"
    close = candles.columns.close
    if np.all(close == close[0]):
        return "no signals: the price never changes"
    return "no signals: the strategy's rule was never met"


def _candles(candles: Candles, outcome: GapOutcome) -> dict[str, Any]:
    report = candles.report
    return {
        "calendar": candles.calendar.value,
        "missing": outcome.missing,
        "gaps": outcome.gaps,
        "marked": 0 if candles.marked is None else int(np.count_nonzero(candles.marked)),
        "outliers": candles.outliers,
        "admission": None if report is None else report.to_dict(),
    }


def _signals(signals: SignalTable) -> dict[str, Any]:
    types = np.bincount(signals.types, minlength=len(SignalType)).tolist()
    flags = np.bincount(signals.flags).tolist()
    return {
        "count": len(signals),
        "by_type": {name: types[code] for name, code in _TYPES.items() if types[code]},
        "flags": {
            name: sum(count for value, count in enumerate(flags) if value & bit)
            for name, bit in _FLAGS.items()
        },
    }
