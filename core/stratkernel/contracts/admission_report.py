"""What the gate says of the candles that it was given."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from stratkernel.contracts.admission_rules import (
    FIRST_PLAUSIBLE,
    PAST_PLAUSIBLE,
    Examination,
    Rule,
)
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
from stratkernel.contracts.timeframes import iso

KEPT_FAULTS: Final = 1000
"""How many faults a report lists; all of them are counted."""

_VALUE_WIDTH: Final = 60
_FIRST_YEAR: Final = int(np.datetime64("0001-01-01", "us").astype(np.int64))
_PAST_YEARS: Final = int(np.datetime64("9999-12-31", "us").astype(np.int64))

_EXPECTED: Final = {
    Rule.READABLE: "expected a number",
    Rule.FINITE: "expected a finite number, no larger than 1e100",
    Rule.POSITIVE: "expected a price above 0",
    Rule.VOLUME: "expected a volume of 0 or more",
    Rule.HIGH: "high must be at least max(open, close)",
    Rule.LOW: "low must be at most min(open, close)",
    Rule.YEAR: "expected a year from 1971 to 2261",
    Rule.FUTURE: "lies in the future",
    Rule.ALIGNED: "does not open a candle of this timeframe",
    Rule.ORDERED: "is earlier than a line before it",
    Rule.DUPLICATE: "stands there twice with the same values",
    Rule.CONFLICT: "stands there twice with different values",
}


def explain_rules(reason: str) -> str:
    """`column: rule` pairs, as the reason of a quarantined candle names them, in plain words.

    What names no rule is left as it is.
    """
    return ", ".join(_explained(part) for part in reason.split(", "))


def _explained(part: str) -> str:
    column, _, name = part.partition(": ")
    if name not in set(Rule):
        return part
    rule = Rule(name)
    if column == "open_time" and rule is Rule.READABLE:
        return f"{column}: expected a time"
    said = _EXPECTED[rule]
    return said if rule in {Rule.HIGH, Rule.LOW} else f"{column}: {said}"


class BadCandles(StrEnum):
    """What is done with bad candles: refuse them all, mend what can be mended, or keep and mark."""

    REJECT = "reject"
    REPAIR = "repair"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule that one value breaks. `line` as the source counts, `open_time` ISO 8601 if it is one."""

    line: int
    open_time: str | None
    column: str
    value: str
    rule: str
    message: str

    def __str__(self) -> str:
        when = f" ({self.open_time})" if self.open_time and self.column != "open_time" else ""
        return f"line {self.line:,}{when}, {self.column} {self.value}: {self.message}"


@dataclass(frozen=True, slots=True)
class AdmissionReport:
    """How many candles came in, what became of them, and what was wrong with which.

    rows = admitted + dropped + forming, unless all were rejected. `marked` of the admitted ones were
    changed or break a rule. `rules` counts rows by rule; `faults` lists the first 1,000 in the order of
    their lines; `notes` say what the source inferred.
    """

    where: str
    policy: BadCandles
    rows: int
    forming: int
    admitted: int = 0
    dropped: int = 0
    marked: int = 0
    fault_count: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Examination, raw: RawCandles, policy: BadCandles) -> "AdmissionReport":
        """The report of an examination, before anything is admitted or dropped."""
        return cls(
            where=raw.where,
            policy=policy,
            rows=found.rows,
            forming=found.forming_rows,
            fault_count=sum(len(rows) for rows in found.cells.values()),
            rules={
                str(rule): int(np.count_nonzero(found.broken[rule])) for rule in Rule if rule in found.broken
            },
            faults=_faults(found, raw),
            notes=raw.notes,
        )

    @property
    def repaired(self) -> int:
        """Rows that were changed and stay; 0 unless the policy is `repair`."""
        return self.marked if self.policy is BadCandles.REPAIR else 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON: strings, whole numbers, lists and dicts."""
        plain = asdict(self)
        return {
            **plain,
            "policy": str(self.policy),
            "repaired": self.repaired,
            "rules": dict(self.rules),
            "faults": [asdict(fault) for fault in self.faults],
            "notes": list(self.notes),
        }

    def text(self, limit: int = 10) -> str:
        """Lines for people, with at most `limit` faults."""
        lines = [f"{self.where}: {self.rows:,} rows, {self.admitted:,} candles admitted"]
        if self.forming:
            lines.append(f"  {self.forming:,} left out: not over yet by the clock")
        if self.dropped:
            lines.append(f"  {self.dropped:,} dropped (bad candles: {self.policy})")
        if self.marked:
            what = "repaired" if self.policy is BadCandles.REPAIR else "kept and flagged"
            lines.append(f"  {self.marked:,} {what}")
        lines += [f"  {count:,} broke the rule '{rule}'" for rule, count in self.rules.items()]
        lines += [f"  {fault}" for fault in self.faults[:limit]]
        more = self.fault_count - min(limit, len(self.faults))
        if more > 0:
            lines.append(f"  and {more:,} more")
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)


def _faults(found: Examination, raw: RawCandles) -> tuple[Fault, ...]:
    if not found.cells:
        return ()
    keys = list(found.cells)
    rows = np.concatenate([found.cells[key] for key in keys])
    key_of = np.repeat(np.arange(len(keys)), [len(found.cells[key]) for key in keys])
    first = np.lexsort((key_of, raw.line[rows]))[:KEPT_FAULTS]
    return tuple(_fault(int(rows[i]), keys[key_of[i]], raw) for i in first)


def _fault(row: int, cell: tuple[Rule, str], raw: RawCandles) -> Fault:
    rule, column = cell
    time = int(raw.open_time[row])
    moment = safe_iso(time)
    message = _EXPECTED[rule]
    if column == "open_time":
        value = raw.unreadable.get((row, column), moment or str(time))
        if rule is Rule.READABLE:
            message = "expected a time"
        elif rule is Rule.YEAR:
            message += guess_unit(time)
        elif rule is Rule.ALIGNED:
            message = f"does not open a candle of {raw.timeframe}"
    else:
        value = raw.unreadable.get((row, column), f"{raw.columns[column][row]:.15g}")
    if value != value.strip() or not value or rule is Rule.READABLE:
        value = repr(value)
    return Fault(
        line=int(raw.line[row]),
        open_time=moment,
        column=column,
        value=value if len(value) <= _VALUE_WIDTH else value[:_VALUE_WIDTH] + "...",
        rule=str(rule),
        message=message,
    )


def safe_iso(micros: int) -> str | None:
    """ISO 8601, or nothing where a calendar has no such year."""
    if micros == UNREADABLE_TIME or not _FIRST_YEAR <= micros < _PAST_YEARS:
        return None
    return iso(micros)


def guess_unit(micros: int) -> str:
    """What an implausible time would be if its epoch were counted in another unit."""
    for steps, pairs in (
        (1, "s read as ms, ms read as us or us read as ns"),
        (2, "s read as us or ms read as ns"),
        (3, "s read as ns"),
        (-1, "ms read as s, us read as ms or ns read as us"),
        (-2, "us read as s or ns read as ms"),
        (-3, "ns read as s"),
    ):
        other = micros * 1000**steps if steps > 0 else micros // 1000**-steps
        if FIRST_PLAUSIBLE <= other < PAST_PLAUSIBLE:
            return f"; {iso(other)} in another unit ({pairs}): say it with --time-unit"
    return ""
