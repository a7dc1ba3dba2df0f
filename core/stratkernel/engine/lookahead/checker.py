"""The checks of honesty: prefixes, poisoned futures, exact windows, chunks, later beginnings.

Nodes of the graph are checked first and named by themselves; the strategy is then held against the columns
that they give, so that a leak is told once, where it is.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns, candle_columns
from stratkernel.contracts.timeframes import iso
from stratkernel.contracts.window_indicator import ANCHOR, WindowIndicator
from stratkernel.engine.lookahead.causes import (
    LOOKBACK_TOO_SHORT,
    NOT_FOLDED,
    NOT_GIVEN,
    NOT_REPEATED,
    cause_of_looking_ahead,
    cause_of_looking_back,
)
from stratkernel.engine.lookahead.cuts import Cuts
from stratkernel.engine.lookahead.report import Check, LookaheadFinding
from stratkernel.engine.lookahead.subject import STRATEGY, Key, Subject
from stratkernel.engine.lookahead.traces import ColumnTrace, Difference, Trace
from stratkernel.kernel.errors import PluginError

_EVIDENCE: Final = 12
_RECALCULATED_ROWS: Final = 300
"""Rows of a strategy without a window that are cut into chunks: each is a calculation of all before."""
_MOST_CHUNKS: Final = 400
_DRIFT: Final = 1e-6


class Checker:
    """Runs the checks over one subject and keeps what they find: for each output the first that fails."""

    def __init__(self, subject: Subject, cuts: Cuts) -> None:
        self._subject: Final = subject
        self._cuts: Final = cuts
        self._guilty: set[Key] = set()
        self.findings: list[LookaheadFinding] = []
        self.notes: list[str] = []
        self.checked: dict[str, int] = {}

    def run(self) -> None:
        """All checks, cheapest cause first."""
        self._repeat()
        self._node_prefixes()
        self._strategy_prefixes()
        self._poison()
        self._windows()
        self._chunks()
        self._later_beginnings()

    def _count(self, check: Check, by: int = 1) -> None:
        self.checked[check] = self.checked.get(check, 0) + by

    def _report(self, check: Check, key: Key, trace: Trace, found: Difference, how: str, cause: str) -> None:
        self._guilty.add(key)
        self.findings.append(
            LookaheadFinding(
                check,
                self._subject.title(key),
                found.column,
                iso(int(trace.times[found.row])),
                f"{how}: {found.message}",
                cause,
            )
        )

    def _blamed(self, number: int) -> bool:
        """Whether a node reads one that was found guilty."""
        above = self._subject.ancestors(number)
        return any(key[0] in above for key in self._guilty)

    def _repeat(self) -> None:
        """The same candles must give the same twice."""
        subject = self._subject
        again = subject.nodes(subject.columns)
        for key, trace in subject.whole_nodes.items():
            self._count("repeat")
            found = trace.difference(again[key], len(trace.times))
            if found and not self._blamed(key[0]):
                self._report("repeat", key, trace, found, "run again on the same candles", NOT_REPEATED)
        self._count("repeat")
        rows = len(subject.data)
        said = subject.says(0, rows)
        found = said.difference(subject.says(0, rows), rows)
        if found:
            self._report("repeat", STRATEGY, said, found, "run again on the same candles", NOT_REPEATED)

    def _node_prefixes(self) -> None:
        subject = self._subject
        wanted = {key: trace for key, trace in subject.whole_nodes.items() if key not in self._guilty}
        if not wanted:
            return
        seen: dict[Key, list[tuple[int, Difference]]] = {}
        for cut in self._cuts.prefixes:
            self._count("prefix")
            given = subject.nodes(subject.columns.slice(0, cut))
            for key, trace in wanted.items():
                part = given.get(key)
                found = None if part is None else trace.difference(part, len(part.times))
                if found:
                    _add_evidence(seen.setdefault(key, []), cut, found)
        for key, evidence in seen.items():
            if self._blamed(key[0]):
                continue

            def observe(count: int, key: Key = key) -> Trace | None:
                return subject.nodes(subject.columns.slice(0, count)).get(key)

            self._report_prefix(key, subject.whole_nodes[key], evidence, observe, subject.columns)

    def _strategy_prefixes(self) -> None:
        """On parts of the columns: those of the indicators have been checked."""
        subject, data = self._subject, self._subject.data
        if STRATEGY in self._guilty or subject.is_recalculated:
            return
        whole = subject.says(0, len(data))
        evidence: list[tuple[int, Difference]] = []
        for cut in self._cuts.prefixes:
            rows = cut - subject.first
            if not 0 < rows <= len(data):
                continue
            self._count("prefix")
            found = whole.difference(subject.says(0, rows), rows)
            if found:
                _add_evidence(evidence, cut, found)
            if len(evidence) == _EVIDENCE:
                break
        if evidence:
            self._report_prefix(STRATEGY, whole, evidence, lambda count: subject.says(0, count), data.candles)

    def _report_prefix(
        self,
        key: Key,
        whole: Trace,
        evidence: list[tuple[int, Difference]],
        observe: Callable[[int], Trace | None],
        base: Columns,
    ) -> None:
        cut, first = evidence[0]
        times = [int(whole.times[found.row]) for _, found in evidence]
        cause = cause_of_looking_ahead(observe, whole, times, base.close_time)
        self._report("prefix", key, whole, first, f"with only the first {_candles(cut)} known", cause)

    def _poison(self) -> None:
        subject = self._subject
        if not subject.graph_nodes and STRATEGY in self._guilty:
            return
        try:
            whole = None if subject.is_recalculated else subject.signals(subject.columns)
            for number, cut in enumerate(self._cuts.poisons):
                for factor in self._cuts.factors:
                    self._count("poison")
                    poisoned = _poisoned(subject.columns, cut, factor, seed=number)
                    self._compare_poisoned(subject.nodes(poisoned), cut)
                    if whole is not None and STRATEGY not in self._guilty:
                        said = subject.signals(poisoned)
                        found = whole.difference(said, cut)
                        if found and not self._any_node_guilty():
                            how = f"with other candles after the first {cut:,}"
                            self._report("poison", STRATEGY, whole, found, how, NOT_GIVEN)
        except PluginError as error:
            # what comes after is absurd on purpose, and refusing it is no look-ahead
            self.notes.append(f"futures could not be poisoned: {error}")

    def _any_node_guilty(self) -> bool:
        return any(key != STRATEGY for key in self._guilty)

    def _compare_poisoned(self, given: Mapping[Key, Trace], cut: int) -> None:
        until = self._subject.columns.close_time[cut - 1]
        for key, trace in self._subject.whole_nodes.items():
            if key in self._guilty or key not in given or self._blamed(key[0]):
                continue
            below = int(np.searchsorted(trace.times, until, side="right"))
            found = trace.difference(given[key], below)
            if found:
                how = f"with other candles after the first {cut:,}"
                self._report("poison", key, trace, found, how, NOT_GIVEN)

    def _windows(self) -> None:
        subject, data, window = self._subject, self._subject.data, self._subject.window
        if STRATEGY in self._guilty or window is None or subject.strategy.is_fold:
            return
        whole = subject.says(0, len(data))
        bad: list[int] = []
        first: Difference | None = None
        for cut in self._cuts.windows:
            last = cut - subject.first - 1
            if not window - 1 <= last < len(data):
                continue
            self._count("window")
            alone = subject.says(last + 1 - window, last + 1).only(window - 1, moved_to=last)
            found = whole.only(last, moved_to=last).difference(alone, last + 1)
            if found:
                first = first or found
                bad.append(last)
            if len(bad) == _EVIDENCE:
                break
        if first is not None:
            how = f"with {'only its own row' if window == 1 else f'exactly its {window} rows'}"
            self._report("window", STRATEGY, whole, first, how, cause_of_looking_back(subject, bad, whole))

    def _chunks(self) -> None:
        subject = self._subject
        if self._any_node_guilty():
            return
        self._node_chunks()
        if self._guilty:
            return
        rows = len(subject)
        if subject.is_recalculated:
            rows = min(rows, subject.first + _RECALCULATED_ROWS)
        whole = subject.signals(subject.columns.slice(0, rows))
        for size in self._cuts.chunks:
            self._count("chunk")
            bounds = _bounds(rows, subject.first, size)
            found = whole.difference(subject.signals_in_chunks(bounds), bounds[-1])
            if found:
                self._report("chunk", STRATEGY, whole, found, _in_chunks(size), NOT_FOLDED)
                return

    def _node_chunks(self) -> None:
        subject = self._subject
        for size in self._cuts.chunks:
            self._count("chunk")
            for key, part in subject.nodes_in_chunks(_bounds(len(subject), subject.first, size)).items():
                trace = subject.whole_nodes[key]
                found = trace.difference(part, len(part.times))
                if found and key not in self._guilty and not self._blamed(key[0]):
                    windowed = isinstance(subject.graph_nodes[key[0]].indicator, WindowIndicator)
                    cause = LOOKBACK_TOO_SHORT if windowed else NOT_FOLDED
                    self._report("chunk", key, trace, found, _in_chunks(size), cause)
            if self._guilty:
                return

    def _later_beginnings(self) -> None:
        """Exact nodes must be the same to the bit once their lookback has passed, wherever they begin."""
        if self._guilty:
            return
        columns = self._subject.columns
        for start in self._cuts.starts:
            begin = -(-start // ANCHOR) * ANCHOR if start > ANCHOR else start
            self._count("warm_up")
            for key, trace in self._subject.nodes(columns.slice(begin, len(columns))).items():
                node = self._subject.graph_nodes[key[0]]
                # candles of a higher timeframe are others where the first one is cut
                if node.timeframe is None and len(trace.times):
                    self._compare_later(key, trace, begin)

    def _compare_later(self, key: Key, trace: Trace, begin: int) -> None:
        subject, node = self._subject, self._subject.graph_nodes[key[0]]
        whole = subject.whole_nodes[key]
        later = whole.later(int(np.searchsorted(whole.times, trace.times[0])))
        if subject.is_exact(key[0], anchored=begin % ANCHOR == 0):
            found = later.difference(trace, len(trace.times))
            if found and key not in self._guilty and not self._blamed(key[0]):
                lookback = node.starts[key[1]] - node.begin
                cause = f"its lookback of {lookback} is too short, or it counts rows from the beginning"
                self._report("warm_up", key, later, found, f"begun {begin:,} candles later", cause)
        elif isinstance(later, ColumnTrace) and isinstance(trace, ColumnTrace):
            settled = max(node.settled - node.begin, trace.skipped)
            drift = _drift(later.values[settled:], trace.values[settled:])
            if drift > _DRIFT and not any(node.item.title in known for known in self.notes):
                self.notes.append(
                    f"{node.item.title}: {trace.name} still depends on where history began after its "
                    f"settling of {node.settled} candles (by {drift:.1g} of its range)"
                )


def _candles(count: int) -> str:
    return f"{count:,} candles" if count > 1 else "candle"


def _in_chunks(size: int) -> str:
    return f"in chunks of {_candles(size)}" if size > 1 else "candle by candle"


def _add_evidence(evidence: list[tuple[int, Difference]], cut: int, found: Difference) -> None:
    """A few differences, each at another row: one row does not tell a pattern."""
    if len(evidence) < _EVIDENCE and all(found.row != known.row for _, known in evidence):
        evidence.append((cut, found))


def _bounds(rows: int, first: int, size: int) -> list[int]:
    """Where chunks of a size begin and the last one ends; not too many of them, most behind the warm-up."""
    long_ago = max(first - 2 * size, 0) if first > _MOST_CHUNKS * size else 0
    last = min(rows, long_ago + _MOST_CHUNKS * size)
    return [0, *range(long_ago or size, last, size), last]


def _drift(one: FloatArray, other: FloatArray) -> float:
    """The largest difference as a share of the range."""
    both = np.isfinite(one) & np.isfinite(other)
    if not both.any():
        return 0.0
    spread = float(np.ptp(one[both])) or max(abs(float(one[both][0])), 1.0)
    return float(np.max(np.abs(one[both] - other[both]))) / spread


def _poisoned(columns: Columns, cut: int, factor: float | None, seed: int) -> Columns:
    """The columns with all that comes after the first `cut` rows multiplied."""
    arrays = {name: columns[name].copy() for name in CANDLE_COLUMNS}
    by = np.random.default_rng(seed).uniform(0.5, 2.0, len(columns) - cut) if factor is None else factor
    for array in arrays.values():
        array[cut:] *= by
    return candle_columns(arrays, columns.close_time)
