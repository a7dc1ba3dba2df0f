"""The quality report of a result: what the candles were like and what the validators noticed."""

from typing import Any

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalFlag, SignalTable, SignalType
from stratkernel.contracts.validator import Finding
from stratkernel.engine.gaps import GapOutcome
from stratkernel.kernel.errors import PluginContractError, PluginError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import SIGNAL_VALIDATOR
from stratkernel.kernel.manager import Kernel


def quality_report(
    kernel: Kernel, candles: Candles, signals: SignalTable, outcome: GapOutcome, warm_up: int
) -> dict[str, Any]:
    """JSON-ready: status, candles (admission, gaps, outliers), signals (counts, flags), findings."""
    findings, failures = run_validators(kernel, candles, signals)
    report: dict[str, Any] = {
        "status": _status(candles, signals, len(outcome.candles), warm_up),
        "folded": len(outcome.candles),
        "warm_up": warm_up,
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
            wrong = next((thing for thing in found if not isinstance(thing, Finding)), None)
            if wrong is not None:
                raise PluginContractError(f"{item.title} gave {type(wrong).__name__}, expected Finding")
            findings += found
        except PluginError as error:
            failures.append(str(error))
    return findings, failures


def _status(candles: Candles, signals: SignalTable, folded: int, warm_up: int) -> str:
    if len(signals):
        return "ok"
    if folded <= warm_up:
        return f"no signals: {folded} candles, the first signal is possible after {warm_up}"
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
    counts = np.bincount(signals.types, minlength=len(SignalType)).tolist()
    return {
        "count": len(signals),
        "by_type": {kind.name: counts[kind.value] for kind in SignalType if counts[kind.value]},
        "flags": {
            name.lower(): int(np.count_nonzero(signals.flags & flag.value))
            for name, flag in SignalFlag.__members__.items()
        },
    }
