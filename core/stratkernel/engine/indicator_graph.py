"""The graph of indicators that a strategy needs: each distinct node once, in the order of its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest
from stratkernel.contracts.params import Params
from stratkernel.contracts.result import canonical_json
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.output_checks import Column, check_advance, check_outputs
from stratkernel.kernel.errors import PluginContractError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.registry import Item


def create_indicator_key(
    indicator: str,
    params: Params | Mapping[str, Any],
    inputs: Sequence[str] = (),
    timeframe: str | None = None,
) -> str:
    """One name for one computation: `stratkernel-ema:ema{"period":12}(close)@1h`.

    `indicator` is a qualified id, `inputs` are candle columns or keys of other indicators.
    """
    values = params.model_dump(mode="json") if isinstance(params, Params) else dict(params)
    key = f"{indicator}{canonical_json(values)}({','.join(inputs)})"
    return f"{key}@{timeframe}" if timeframe else key


@dataclass(frozen=True, slots=True)
class _Input:
    """Where a node's input comes from: a candle column (`node` None) or another node's output."""

    name: str
    node: int | None
    output: str


@dataclass(frozen=True, slots=True)
class Node:
    """One indicator in the graph. Rows count from the origin or the last reset.

    `begin` is the first row that it is given; `starts` the first row at which each output is defined,
    `settled` that from which on nothing depends on where the history began.
    """

    key: str
    item: Item
    indicator: BaseIndicator[Any]
    inputs: tuple[_Input, ...]
    begin: int
    starts: Mapping[str, int]
    settled: int


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


class IndicatorGraph:
    """Resolves requests into nodes and advances them over chunks of candles."""

    def __init__(self, requests: Mapping[str, IndicatorRequest], factory: IndicatorFactory, who: str) -> None:
        self._factory = factory
        self._who = who
        self._by_key: dict[str, int] = {}
        self._by_request: dict[int, tuple[IndicatorRequest, int]] = {}
        self.nodes: list[Node] = []
        self.aliases: dict[str, tuple[int, str]] = {}
        """Columns of the strategy's data: the node and the output behind each."""
        for alias, request in requests.items():
            self._add_alias(alias, request)
        used = [(self.nodes[node], output) for node, output in self.aliases.values()]
        self.first_row: Final = max((node.starts[output] for node, output in used), default=0)
        """The first row at which everything that the strategy reads is defined."""
        self.settling: Final = max((node.settled for node in self.nodes), default=0)
        """Rows until nothing depends on where the history began any more."""

    @property
    def nullable(self) -> tuple[str, ...]:
        """The columns of the strategy's data that may be undefined after the warm-up."""
        return tuple(
            alias
            for alias, (node, output) in self.aliases.items()
            if output in self.nodes[node].indicator.nullable
        )

    def initial_states(self) -> list[State]:
        """The states of all nodes before the first row."""
        states = []
        for node in self.nodes:
            with guard(node.item.title, "to give its initial state"):
                states.append(node.indicator.initial_state())
        return states

    def advance(
        self, columns: Columns, states: Sequence[State], row: int
    ) -> tuple[list[Computed], list[State]]:
        """Advance every node over a chunk whose first candle is number `row`."""
        computed: list[Computed] = []
        after: list[State] = []
        for node, state in zip(self.nodes, states, strict=True):
            skip = min(max(node.begin - row, 0), len(columns))
            given = self._inputs_of(node, columns, computed, skip)
            title = node.item.title
            undefined = {output: max(start - row - skip, 0) for output, start in node.starts.items()}
            with guard(title, partial(_span, given)):
                values, new_state = check_advance(node.indicator.advance(given, state), title)
                checked = check_outputs(values, node.indicator, given, undefined, title)
            computed.append(Computed(checked, skip))
            after.append(new_state)
        return computed, after

    def columns_of(self, computed: Sequence[Computed], start: int, stop: int) -> dict[str, Column]:
        """The columns of the strategy's data on rows `start` to `stop` of a chunk."""
        return {
            alias: computed[node].rows(output, start, stop) for alias, (node, output) in self.aliases.items()
        }

    def _add_alias(self, alias: str, request: IndicatorRequest) -> None:
        if alias in CANDLE_COLUMNS or "." in alias:
            raise PluginContractError(
                f"{self._who}: the alias '{alias}' of a required indicator is a candle column or has a dot; "
                "choose another"
            )
        if not isinstance(request, IndicatorRequest):
            raise PluginContractError(
                f"{self._who}: get_required_indicators gave {type(request).__name__} for '{alias}', "
                "expected what indicator(...) gives"
            )
        index = self._resolve(request)
        outputs = self.nodes[index].indicator.outputs
        if request.output is not None or len(outputs) == 1:
            self.aliases[alias] = (index, self._output(request, index))
        else:
            self.aliases |= {f"{alias}.{output}": (index, output) for output in outputs}

    def _resolve(self, request: IndicatorRequest) -> int:
        """The node of a request; an object that is asked for again is not looked up again."""
        _, known = self._by_request.get(id(request), (None, None))
        if known is None:
            known = self._make(request)
            self._by_request[id(request)] = request, known
        return known

    def _make(self, request: IndicatorRequest) -> int:
        if request.timeframe is not None:
            raise PluginContractError(
                f"{self._who}: an indicator on another timeframe ({request.timeframe}) was asked for; "
                "this version computes indicators on the strategy's own timeframe"
            )
        item = self._factory.item(request.indicator)
        indicator = self._factory.create(item, request.params)
        inputs = self._bind(item, indicator, request)
        names = [
            source.output if source.node is None else f"{self.nodes[source.node].key}.{source.output}"
            for source in inputs
        ]
        key = create_indicator_key(item.qualified, indicator.params, names)
        if key not in self._by_key:
            self._by_key[key] = len(self.nodes)
            begin, since = self._after(inputs)
            starts = _starts(item, indicator, begin)
            settled = since + _settling(item, indicator)
            self.nodes.append(Node(key, item, indicator, inputs, begin, starts, settled))
        known = self._by_key[key]
        if self.nodes[known].item.cls is not item.cls:
            raise PluginContractError(
                f"{self._who} asks for two indicators that are both called {item.qualified}; rename one"
            )
        return known

    def _bind(
        self, item: Item, indicator: BaseIndicator[Any], request: IndicatorRequest
    ) -> tuple[_Input, ...]:
        declared = indicator.inputs
        with guard(item.title, "to give its sources"):
            given = request.inputs or indicator.sources()
        if len(given) != len(declared):
            raise PluginContractError(
                f"{item.title} reads {len(declared)} inputs ({', '.join(declared)}), "
                f"{self._who} gives {len(given)}"
            )
        bound = []
        for name, source in zip(declared, given, strict=True):
            if isinstance(source, IndicatorRequest):
                node = self._resolve(source)
                output = self._output(source, node)
                if output in self.nodes[node].indicator.nullable:
                    raise PluginContractError(
                        f"{item.title} reads '{output}' of {self.nodes[node].item.title}, which may be "
                        "undefined after its warm-up (nullable); an indicator sees defined values only"
                    )
                bound.append(_Input(name, node, output))
            elif source in CANDLE_COLUMNS:
                bound.append(_Input(name, None, source))
            else:
                raise PluginContractError(
                    f"{item.title} reads '{source}', which is no candle column "
                    f"({', '.join(CANDLE_COLUMNS)}); {self._who} must say what it is, with on=..."
                )
        return tuple(bound)

    def _output(self, request: IndicatorRequest, node: int) -> str:
        outputs = self.nodes[node].indicator.outputs
        output = request.output if request.output is not None or len(outputs) > 1 else outputs[0]
        if output is None or output not in outputs:
            raise PluginContractError(
                f"{self._who} must pick an output of {self.nodes[node].item.title}: {', '.join(outputs)}; "
                f'got {output!r}. Write indicator(...)["{outputs[0]}"]'
            )
        return output

    def _after(self, inputs: Sequence[_Input]) -> tuple[int, int]:
        """The rows at which all inputs are defined, and at which all have settled."""
        nodes = [(self.nodes[source.node], source.output) for source in inputs if source.node is not None]
        begin = max((node.starts[output] for node, output in nodes), default=0)
        return begin, max((node.settled for node, _ in nodes), default=0)

    @staticmethod
    def _inputs_of(node: Node, columns: Columns, computed: Sequence[Computed], skip: int) -> Columns:
        arrays: dict[str, FloatArray] = {}
        for source in node.inputs:
            if source.node is None:
                arrays[source.name] = columns[source.output][skip:]
                continue
            column = computed[source.node].rows(source.output, skip, len(columns))
            arrays[source.name] = column.dense() if isinstance(column, Events) else column
        return Columns(arrays, columns.close_time[skip:])


def _starts(item: Item, indicator: BaseIndicator[Any], begin: int) -> dict[str, int]:
    with guard(item.title, "to give its lookback"):
        lookback = indicator.lookback()
        each = lookback if isinstance(lookback, Mapping) else dict.fromkeys(indicator.outputs, lookback)
    if set(each) != set(indicator.outputs) or not all(isinstance(n, int) and n >= 0 for n in each.values()):
        raise PluginContractError(
            f"{item.title}: lookback gave {lookback!r}, expected a number of rows, "
            f"or one for each of {', '.join(indicator.outputs)}"
        )
    return {output: begin + rows for output, rows in each.items()}


def _settling(item: Item, indicator: BaseIndicator[Any]) -> int:
    with guard(item.title, "to give its settling"):
        rows = indicator.settling()
    if not isinstance(rows, int) or rows < 0:
        raise PluginContractError(f"{item.title}: settling gave {rows!r:.60}, expected a number of rows")
    return rows


def _span(columns: Columns) -> str:
    if not len(columns):
        return "on no candles"
    return f"on {len(columns)} candles that close from {iso(int(columns.close_time[0]))} on"
