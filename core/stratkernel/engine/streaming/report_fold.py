"""The report of the gate, from the examinations of the parts of a series."""

import numpy as np

from stratkernel.contracts.admission import KeptCandles
from stratkernel.contracts.admission_report import KEPT_FAULTS, AdmissionReport, BadCandles, Fault
from stratkernel.contracts.admission_rules import Examination, Rule
from stratkernel.contracts.source import RawCandles


class ReportFold:
    """Adds up what the gate saw."""

    def __init__(self, where: str, policy: BadCandles) -> None:
        self._where, self._policy = where, policy
        self._rows = self._forming = self._admitted = self._marked = self._fault_count = 0
        self.bad_rows = 0
        self._rules: dict[str, int] = {}
        self._faults: list[Fault] = []

    def examined(self, raw: RawCandles, found: Examination) -> None:
        """Add the examination of the next part."""
        self._rows += found.rows
        self._forming += found.forming_rows
        if not found.broken:
            return
        part = AdmissionReport.of(found, raw, self._policy)
        self.bad_rows += found.bad_rows
        self._fault_count += part.fault_count
        for rule, count in part.rules.items():
            self._rules[rule] = self._rules.get(rule, 0) + count
        self._faults += part.faults[: KEPT_FAULTS - len(self._faults)]

    def kept(self, candles: KeptCandles) -> None:
        """Add what was let through of it."""
        self._admitted += len(candles.open_time)
        self._marked += int(np.count_nonzero(candles.marked))

    def report(self, notes: tuple[str, ...]) -> AdmissionReport:
        """The report of all parts so far."""
        refused = self._policy is BadCandles.REJECT and self.bad_rows > 0
        admitted = 0 if refused else self._admitted
        return AdmissionReport(
            where=self._where,
            policy=self._policy,
            rows=self._rows,
            forming=self._forming,
            admitted=admitted,
            dropped=0 if refused else self._rows - self._forming - admitted,
            marked=0 if refused else self._marked,
            fault_count=self._fault_count,
            rules={str(rule): self._rules[rule] for rule in Rule if rule in self._rules},
            faults=tuple(self._faults),
            notes=notes,
        )
