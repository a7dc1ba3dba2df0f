"""Nodes that the combinations of a sweep share, and the keys by which they find each other."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest
from stratkernel.engine.crossings import Crossing
from stratkernel.engine.graph_nodes import starts_of
from stratkernel.engine.indicator_cache import NodeColumns
from stratkernel.engine.output_checks import Column
from stratkernel.kernel.registry import Item


class UnusualRequestError(Exception):
    """Something that only the careful way can judge, or explain; never leaves the engine."""


class MadeIndicator:
    """An indicator with its parameters, whatever it reads."""

    __slots__ = (
        "crosses",
        "indicator",
        "item",
        "key",
        "lookbacks",
        "nullable",
        "number",
        "outputs",
        "sources",
    )

    def __init__(self, number: int, item: Item, indicator: BaseIndicator[Any], key: str) -> None:
        self.number = number
        self.item = item
        self.indicator = indicator
        self.key = key
        self.sources = indicator.sources()
        self.lookbacks = starts_of(item, indicator, 0)
        self.outputs = tuple(self.lookbacks)
        self.nullable = indicator.nullable
        self.crosses: float | None = indicator.params.relative if type(indicator) is Crossing else None


class SharedNode:
    """A node over all candles of a stretch; `columns` begin at row `begin`, `None` until they are needed."""

    __slots__ = ("begin", "columns", "inputs", "made", "nullable", "number", "only", "starts")

    def __init__(
        self,
        number: int,
        made: MadeIndicator | None,
        inputs: "tuple[tuple[SharedNode | None, str], ...]",
        begin: int,
        starts: Mapping[str, int],
        nullable: frozenset[str],
    ) -> None:
        self.number = number
        self.made = made
        self.inputs = inputs
        self.begin = begin
        self.starts = starts
        self.only = next(iter(starts)) if len(starts) == 1 else None
        """The output of an indicator that has one."""
        self.nullable = nullable
        self.columns: NodeColumns | None = None

    def rows_from(self, output: str, start: int) -> Column:
        """An output from row `start` of the stretch on."""
        assert self.columns is not None
        column = self.columns[output]
        if start == self.begin:
            return column
        if isinstance(column, Events):
            return column.slice(start - self.begin, column.length)
        return column[start - self.begin :]


class Reading(NamedTuple):
    """What a strategy reads: alias, node and output of each column, and the row at which all are defined.

    `nullable` says that a node may give NaN after that row.
    """

    found: list[tuple[str, SharedNode, str]]
    start: int
    nullable: bool


def asked_key(request: IndicatorRequest) -> tuple[Any, ...]:
    """Indicator and parameters as a key; 1, 1.0 and True are different parameters."""
    params = request.params
    if len(params) == 1:
        for name, value in params.items():
            return request.indicator, name, value, value.__class__
    values = params.values()
    return (request.indicator, *params, *values, *map(type, values))


def structure_key(request: IndicatorRequest) -> tuple[Any, ...]:
    """A request as a key; raises `UnusualRequestError` where a parameter is none."""
    inputs = tuple(source if isinstance(source, str) else structure_key(source) for source in request.inputs)
    key = (asked_key(request), inputs, request.timeframe, request.output)
    try:
        hash(key)
    except TypeError as error:
        raise UnusualRequestError(request) from error
    return key


def start_of(node: SharedNode, output: str) -> int:
    start = node.starts.get(output)
    if start is None:
        raise UnusualRequestError(output)
    return start
