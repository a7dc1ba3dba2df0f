"""One indicator in a graph: where its inputs come from, when it is defined, how it advances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.output_checks import Column, check_advance, check_outputs
from stratkernel.kernel.errors import PluginContractError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.registry import Item


@dataclass(frozen=True, slots=True)
class NodeInput:
    """Where a node's input comes from: a candle column (`node` None) or another node's output."""

    name: str
    node: int | None
    output: str


@dataclass(frozen=True, slots=True)
class Node:
    """One indicator in the graph. Rows are candles of its timeframe, from the origin or the last reset.

    `begin` is the first row that it is given; `starts` the first row at which each output is defined,
    `settled` that from which on nothing depends on where the history began. `timeframe` is `None` for the
    base candles.
    """

    key: str
    item: Item
    indicator: BaseIndicator[Any]
    inputs: tuple[NodeInput, ...]
    begin: int
    starts: Mapping[str, int]
    settled: int
    timeframe: str | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """A node's outputs on a chunk; the first `skipped` rows of the chunk were withheld from it."""

    columns: Mapping[str, Column]
    skipped: int

    def rows(self, output: str, start: int, stop: int) -> Column:
        """An output on rows `start` to `stop` of the chunk."""
        column = self.columns[output]
        if isinstance(column, Events):
            moved = column.shifted(self.skipped, stop) if self.skipped else column
            return moved.slice(start, stop) if start else moved
        return column[start - self.skipped : stop - self.skipped]


def advance_node(
    node: Node, columns: Columns, computed: Sequence[Computed], state: State, row: int
) -> tuple[Computed, State]:
    """Advance a node over a chunk of its timeframe whose first candle is number `row`.

    `computed` are the nodes before it on the same chunk.
    """
    skip = min(max(node.begin - row, 0), len(columns))
    given = _inputs_of(node, columns, computed, skip)
    title = node.item.title
    undefined = {output: max(start - row - skip, 0) for output, start in node.starts.items()}
    with guard(title, partial(_span, given)):
        values, after = check_advance(node.indicator.advance(given, state), title)
        checked = check_outputs(values, node.indicator, given, undefined, title)
    return Computed(checked, skip), after


def starts_of(item: Item, indicator: BaseIndicator[Any], begin: int) -> dict[str, int]:
    """The first row at which each output is defined, of a node that is given rows from `begin` on.

    Raises:
        PluginContractError: what it gives as its lookback is none.
    """
    with guard(item.title, "to give its lookback"):
        lookback = indicator.lookback()
        each = lookback if isinstance(lookback, Mapping) else dict.fromkeys(indicator.outputs, lookback)
    if set(each) != set(indicator.outputs) or not all(isinstance(n, int) and n >= 0 for n in each.values()):
        raise PluginContractError(
            f"{item.title}: lookback gave {lookback!r}, expected a number of rows, "
            f"or one for each of {', '.join(indicator.outputs)}"
        )
    return {output: begin + rows for output, rows in each.items()}


def settling_of(item: Item, indicator: BaseIndicator[Any]) -> int:
    """Rows until the indicator's values do not depend on where its inputs began.

    Raises:
        PluginContractError: what it gives is no number of rows.
    """
    with guard(item.title, "to give its settling"):
        rows = indicator.settling()
    if not isinstance(rows, int) or rows < 0:
        raise PluginContractError(f"{item.title}: settling gave {rows!r:.60}, expected a number of rows")
    return rows


def _inputs_of(node: Node, columns: Columns, computed: Sequence[Computed], skip: int) -> Columns:
    arrays: dict[str, FloatArray] = {}
    for source in node.inputs:
        if source.node is None:
            arrays[source.name] = columns[source.output][skip:]
            continue
        column = computed[source.node].rows(source.output, skip, len(columns))
        arrays[source.name] = column.dense() if isinstance(column, Events) else column
    return Columns(arrays, columns.close_time[skip:])


def _span(columns: Columns) -> str:
    if not len(columns):
        return "on no candles"
    return f"on {len(columns)} candles that close from {iso(int(columns.close_time[0]))} on"
