"""The quality report of a result: what the candles were like and what the validators noticed."""

import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

import numpy as np

from stratkernel.contracts.admission_report import AdmissionReport
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalFlag, SignalTable, SignalType
from stratkernel.contracts.validator import Finding, RunContext, Severity, SignalValidator
from stratkernel.engine.gaps import GapOutcome
from stratkernel.kernel.errors import PluginContractError, PluginError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.kinds import SIGNAL_VALIDATOR
from stratkernel.kernel.manager import Kernel


@dataclass(frozen=True, slots=True)
class Warmth:
    """How many candles from an origin or reset on give no signal, and the rows that come out.

    `starts` are the rows at which evaluation began after the origin and each reset, where they are known.
    """

    warm_up: int
    first: int
    last: int
    starts: tuple[int, ...] | None = None

    def stretches(self, resets: Sequence[int], candles: int) -> tuple[tuple[int, int], ...]:
        """The rows that come out and could have a signal, counted from the first that comes out."""
        bounds = [0, *resets, candles]
        starts = self.starts or [start + self.warm_up for start in bounds[:-1]]
        cut = [
            (max(start, self.first) - self.first, min(stop, self.last) - self.first)
            for start, stop in zip(starts, bounds[1:], strict=True)
        ]
        return tuple((first, stop) for first, stop in cut if first < stop)


_COSTS: Final[dict[Severity, tuple[float, float]]] = {
    "error": (50.0, 50.0),
    "warning": (0.0, 50.0),
    "info": (0.0, 10.0),
}
_TYPES: Final = {kind.name: kind.value for kind in SignalType}
_FLAGS: Final = {name.lower(): flag.value for name, flag in SignalFlag.__members__.items()}


def quality_report(
    kernel: Kernel,
    candles: Candles,
    signals: SignalTable,
    outcome: GapOutcome,
    warmth: Warmth,
    *,
    exits: bool = False,
) -> dict[str, Any]:
    """What there is to say of a result for little work, ready for JSON.

    `status` a sentence; `folded`, `warm_up`, `evaluated` numbers of candles; `candles` admission, gaps and
    outliers; `signals` counts, flags, rate and spacing (see `signal_statistics`); `findings` of the
    validators, `rules` how many signals each rule is about, `score` 0 to 100 (see `quality_score`).
    `exits` tells that positions are also left by exit rules.
    """
    stretches = warmth.stretches(outcome.resets.tolist(), len(outcome.candles))
    findings, failures = run_validators(kernel, candles, signals, RunContext(stretches, exits))
    known = KnownCandles(
        folded=len(outcome.candles),
        warm_up=warmth.warm_up,
        evaluated=sum(stop - first for first, stop in stretches),
        total=len(candles),
        moves=len(signals) > 0 or bool(np.any(candles.columns.close != candles.columns.close[0])),
        facts=candle_facts(
            candles.calendar.value,
            (outcome.missing, outcome.gaps),
            marked=0 if candles.marked is None else int(np.count_nonzero(candles.marked)),
            outliers=candles.outliers,
            admission=candles.report,
        ),
    )
    return compose_report(known, signals, findings, failures)


@dataclass(frozen=True, slots=True)
class KnownCandles:
    """What a quality report says of candles: how many were folded, give no signal, could give one, came out.

    `moves` tells whether the close ever changes, `facts` is the part `candles` of the report.
    """

    folded: int
    warm_up: int
    evaluated: int
    total: int
    moves: bool
    facts: dict[str, Any]


def compose_report(
    known: KnownCandles, signals: SignalTable, findings: Sequence[Finding], failures: Sequence[str]
) -> dict[str, Any]:
    """A quality report of what is known by now."""
    report: dict[str, Any] = {
        "status": _status(known, signals),
        "folded": known.folded,
        "warm_up": known.warm_up,
        "evaluated": known.evaluated,
        "candles": known.facts,
        "signals": _signals(signals) | signal_statistics(signals, known.evaluated, known.total),
        "findings": [asdict(found) for found in findings],
        "rules": rule_counts(findings),
        "score": quality_score(findings, len(signals)),
    }
    if failures:
        report["validator_failures"] = list(failures)
    return report


def candle_facts(
    calendar: str, gaps: tuple[int, int], *, marked: int, outliers: int, admission: AdmissionReport | None
) -> dict[str, Any]:
    """The part `candles` of a quality report; `gaps` are missing candles, and gaps."""
    return {
        "calendar": calendar,
        "missing": gaps[0],
        "gaps": gaps[1],
        "marked": marked,
        "outliers": outliers,
        "admission": None if admission is None else admission.to_dict(),
    }


def run_validators(
    kernel: Kernel, candles: Candles, signals: SignalTable, context: RunContext | None = None
) -> tuple[list[Finding], list[str]]:
    """What all validators find, and what the failing ones raised; one never stops the others."""
    findings: list[Finding] = []
    failures: list[str] = []
    for item in kernel.items(SIGNAL_VALIDATOR):
        try:
            with guard(item.title, "while it validated signals"):
                validator: SignalValidator = item.cls()
                validator.context = context or RunContext()
                found = list(validator.validate(candles, signals.select(slice(None))))
                findings += [checked_finding(thing, len(candles), item.title) for thing in found]
        except PluginError as error:
            failures.append(str(error))
    return findings, failures


def checked_finding(found: object, rows: int, who: str) -> Finding:
    """The finding in plain Python values, so that it can be stored and printed.

    Raises:
        PluginContractError: it is no finding, or of no candle of this series.
    """
    if not isinstance(found, Finding):
        raise PluginContractError(f"{who} gave {type(found).__name__}, expected Finding")
    row = None if found.row is None else operator.index(found.row)
    count = operator.index(found.count)
    if found.severity not in get_args(Severity) or (row is not None and not 0 <= row < rows):
        raise PluginContractError(
            f"{who} gave a finding of severity {found.severity!r:.30} at row {row}, "
            f"expected {', '.join(get_args(Severity))} and a row below {rows} or None"
        )
    return Finding(str(found.rule), str(found.message), found.severity, row, max(count, 0))


def rule_counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many signals each rule is about, by the names of the rules."""
    counts: dict[str, int] = {}
    for found in findings:
        counts[found.rule] = counts.get(found.rule, 0) + found.count
    return counts


def quality_score(findings: Sequence[Finding], signals: int) -> float | None:
    """100 less what each finding costs, at least 0; None without signals.

    With the share s of the signals that a finding is about (at most 1), an error costs 50 + 50 s, a warning
    50 s and an info 10 s.
    """
    if not signals:
        return None
    cost = 0.0
    for found in findings:
        least, more = _COSTS[found.severity]
        cost += least + more * min(found.count / signals, 1.0)
    return round(max(0.0, 100.0 - cost), 1)


def signal_statistics(signals: SignalTable, evaluated: int, candles: int) -> dict[str, Any]:
    """How often there are signals; None where it is not defined.

    `per_1000` signals per 1,000 evaluated candles; `spacing` the least and the median number of candles
    from one candle with signals to the next; `coverage` the share of the candles that were evaluated.
    """
    rows = signals.rows
    distances = np.diff(rows)
    distances = distances[distances > 0]
    return {
        "per_1000": 1_000.0 * len(signals) / evaluated if evaluated else None,
        "spacing": {
            "least": int(distances.min()) if len(distances) else None,
            "median": float(np.median(distances)) if len(distances) else None,
        },
        "coverage": evaluated / candles if candles else None,
    }


def _status(known: KnownCandles, signals: SignalTable) -> str:
    if len(signals):
        return "ok"
    if not known.evaluated:
        return f"no signals: no candle comes after the warm-up of {known.warm_up}"
    if not known.moves:
        return "no signals: the price never changes"
    return "no signals: the strategy's rule was never met"


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
