"""The graph of indicators that a strategy needs: each distinct node once, in the order of its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from stratkernel.contracts.arrays import BoolArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.events import Events
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest
from stratkernel.contracts.params import Params
from stratkernel.contracts.result import canonical_json
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.graph_nodes import Computed, Node, NodeInput, advance_node, settling_of, starts_of
from stratkernel.engine.output_checks import Column
from stratkernel.engine.timeframes.layer import LayerStep, TimeframeLayer
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.kernel.errors import PluginContractError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.registry import Item

NodeLookup: TypeAlias = Callable[[Node, Callable[[], Mapping[str, Column]]], Mapping[str, Column]]
"""Gives the columns of a node over a whole series: those computed before, or what the callable computes."""
_Advance: TypeAlias = Callable[[Node, Columns, Sequence[Computed], State, int], tuple[Computed, State]]


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


@dataclass(frozen=True, slots=True, eq=False)
class GraphStep:
    """What the nodes gave on a chunk.

    `first` is the first row of the chunk at which everything that the strategy reads is defined, `settled`
    that from which on nothing depends on where the history began. `incomplete` marks the rows at which the
    newest candle of a higher timeframe lacks base candles, `None` where no higher timeframe is read.
    """

    computed: Sequence[Computed]
    layers: Mapping[str, LayerStep]
    first: int
    settled: int
    incomplete: BoolArray | None


class IndicatorGraph:
    """Resolves requests into nodes and advances them over chunks of candles.

    `plan` says what the base candles are and where those of higher timeframes come from; without it a
    graph that has higher timeframes can be looked at, not advanced.
    """

    def __init__(
        self,
        requests: Mapping[str, IndicatorRequest],
        factory: IndicatorFactory,
        who: str,
        plan: TimeframePlan | None = None,
    ) -> None:
        self._factory = factory
        self._who = who
        self._plan = plan
        self._by_key: dict[str, int] = {}
        self._by_request: dict[tuple[int, str | None], tuple[IndicatorRequest, int]] = {}
        self.nodes: list[Node] = []
        self.layers: dict[str, TimeframeLayer] = {}
        """The higher timeframes by their names."""
        self.aliases: dict[str, tuple[int, str]] = {}
        """Columns of the strategy's data: the node and the output behind each."""
        for alias, request in requests.items():
            self._add_alias(alias, request)
        for alias, (node, output) in self.aliases.items():
            layer = self.nodes[node].timeframe
            if layer is not None:
                self.layers[layer].add(alias, node, output, self.nodes[node])
        used = [(self.nodes[node], output) for node, output in self.aliases.values()]
        self._first = max((node.starts[name] for node, name in used if node.timeframe is None), default=0)
        self._settled = max((node.settled for node in self.nodes if node.timeframe is None), default=0)
        layers = self.layers.values()
        self.first_row: Final = max([self._first, *(layer.first_row for layer in layers)])
        """The first row at which everything that the strategy reads is defined.

        With higher timeframes: from an origin at which their candles open, without gaps."""
        self.settling: Final = max([self._settled, *(layer.settling for layer in layers)])
        """Rows until nothing depends on where the history began any more; see `first_row`."""

    @property
    def nullable(self) -> tuple[str, ...]:
        """The columns of the strategy's data that may be undefined after the warm-up."""
        return tuple(
            alias
            for alias, (node, output) in self.aliases.items()
            if output in self.nodes[node].indicator.nullable
        )

    def initial_states(self) -> list[State]:
        """The states of all nodes, then those of the higher timeframes, before the first row."""
        states = []
        for node in self.nodes:
            with guard(node.item.title, "to give its initial state"):
                states.append(node.indicator.initial_state())
        return states + [layer.initial_state() for layer in self.layers.values()]

    def advance(self, columns: Columns, states: Sequence[State], row: int) -> tuple[GraphStep, list[State]]:
        """Advance every node over a chunk of base candles whose first is number `row`."""
        return self._advance(columns, states, row, advance_node)

    def evaluate(self, columns: Columns, lookup: NodeLookup) -> GraphStep:
        """What the nodes give on a whole series; `lookup` spares what was computed before."""

        def look_up(
            node: Node, given: Columns, computed: Sequence[Computed], state: State, row: int
        ) -> tuple[Computed, State]:
            found = lookup(node, lambda: advance_node(node, given, computed, state, row)[0].columns)
            return Computed(found, min(node.begin, len(given))), state

        step, _ = self._advance(columns, self.initial_states(), 0, look_up)
        return step

    def columns_of(self, step: GraphStep, start: int, stop: int) -> dict[str, Column]:
        """The columns of the strategy's data on rows `start` to `stop` of a chunk."""
        columns: dict[str, Column] = {}
        for alias, (node, output) in self.aliases.items():
            layer = self.nodes[node].timeframe
            if layer is None:
                columns[alias] = step.computed[node].rows(output, start, stop)
                continue
            column = step.layers[layer].columns[alias]
            columns[alias] = column.slice(start, stop) if isinstance(column, Events) else column[start:stop]
        return columns

    def _advance(
        self, columns: Columns, states: Sequence[State], row: int, advance: _Advance
    ) -> tuple[GraphStep, list[State]]:
        """All higher candles that close at a base row are there before any node sees that row."""
        closed = [
            layer.admit(columns, state)
            for layer, state in zip(self.layers.values(), states[len(self.nodes) :], strict=True)
        ]
        places: dict[str | None, tuple[Columns, int]] = {None: (columns, row)}
        places |= {
            name: (each.candles.columns, each.before) for name, each in zip(self.layers, closed, strict=True)
        }
        computed: list[Computed] = []
        after: list[State] = []
        for node, state in zip(self.nodes, states, strict=False):
            given, first = places[node.timeframe]
            if node.timeframe is not None and not len(given):
                computed.append(Computed({}, 0))
                after.append(state)
                continue
            done, new_state = advance(node, given, computed, state, first)
            computed.append(done)
            after.append(new_state)
        steps: dict[str, LayerStep] = {}
        for (name, layer), admitted in zip(self.layers.items(), closed, strict=True):
            steps[name], layer_state = layer.align(admitted, computed, len(columns))
            after.append(layer_state)
        return self._step(computed, steps, row, len(columns)), after

    def _step(
        self, computed: Sequence[Computed], layers: Mapping[str, LayerStep], row: int, total: int
    ) -> GraphStep:
        steps = layers.values()
        return GraphStep(
            computed,
            layers,
            first=max([min(max(self._first - row, 0), total), *(step.first for step in steps)]),
            settled=max([self._settled - row, *(step.settled for step in steps)]),
            incomplete=np.logical_or.reduce([step.incomplete for step in steps]) if layers else None,
        )

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

    def _resolve(self, request: IndicatorRequest, outer: str | None = None) -> int:
        """The node of a request; an object that is asked for again is not looked up again."""
        timeframe = self._timeframe(request, outer)
        _, known = self._by_request.get((id(request), timeframe), (None, None))
        if known is None:
            known = self._make(request, timeframe)
            self._by_request[id(request), timeframe] = request, known
        return known

    def _timeframe(self, request: IndicatorRequest, outer: str | None) -> str | None:
        """The higher timeframe of a request, `None` for the base; what it does not say it inherits."""
        if request.timeframe is None:
            return outer
        try:
            timeframe = Timeframe(request.timeframe)
        except UsageError as error:
            raise UsageError(f"{self._who} asks for an indicator on an {error}") from None
        if self._plan is not None and timeframe == self._plan.base:
            return None
        if timeframe.name not in self.layers:
            self.layers[timeframe.name] = TimeframeLayer(timeframe, self._plan, self._who)
        return timeframe.name

    def _make(self, request: IndicatorRequest, timeframe: str | None) -> int:
        item = self._factory.item(request.indicator)
        indicator = self._factory.create(item, request.params)
        inputs = self._bind(item, indicator, request, timeframe)
        names = [
            source.output if source.node is None else f"{self.nodes[source.node].key}.{source.output}"
            for source in inputs
        ]
        key = create_indicator_key(item.qualified, indicator.params, names, timeframe)
        if key not in self._by_key:
            self._by_key[key] = len(self.nodes)
            begin, since = self._after(inputs)
            starts = starts_of(item, indicator, begin)
            settled = since + settling_of(item, indicator)
            self.nodes.append(Node(key, item, indicator, inputs, begin, starts, settled, timeframe))
        known = self._by_key[key]
        if self.nodes[known].item.cls is not item.cls:
            raise PluginContractError(
                f"{self._who} asks for two indicators that are both called {item.qualified}; rename one"
            )
        return known

    def _bind(
        self, item: Item, indicator: BaseIndicator[Any], request: IndicatorRequest, timeframe: str | None
    ) -> tuple[NodeInput, ...]:
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
                node = self._resolve(source, timeframe)
                self._check_same_timeframe(item, node, timeframe)
                output = self._output(source, node)
                if output in self.nodes[node].indicator.nullable:
                    raise PluginContractError(
                        f"{item.title} reads '{output}' of {self.nodes[node].item.title}, which may be "
                        "undefined after its warm-up (nullable); an indicator sees defined values only"
                    )
                bound.append(NodeInput(name, node, output))
            elif source in CANDLE_COLUMNS:
                bound.append(NodeInput(name, None, source))
            else:
                raise PluginContractError(
                    f"{item.title} reads '{source}', which is no candle column "
                    f"({', '.join(CANDLE_COLUMNS)}); {self._who} must say what it is, with on=..."
                )
        return tuple(bound)

    def _check_same_timeframe(self, item: Item, node: int, timeframe: str | None) -> None:
        inner = self.nodes[node]
        if inner.timeframe != timeframe:
            own, other = (each or "the strategy's own timeframe" for each in (timeframe, inner.timeframe))
            raise PluginContractError(
                f"{self._who}: {item.title} on {own} reads {inner.item.title} on {other}; an indicator reads "
                "one timeframe only. Give the outermost request the timeframe, and those inside inherit it"
            )

    def _output(self, request: IndicatorRequest, node: int) -> str:
        outputs = self.nodes[node].indicator.outputs
        output = request.output if request.output is not None or len(outputs) > 1 else outputs[0]
        if output is None or output not in outputs:
            raise PluginContractError(
                f"{self._who} must pick an output of {self.nodes[node].item.title}: {', '.join(outputs)}; "
                f'got {output!r}. Write indicator(...)["{outputs[0]}"]'
            )
        return output

    def _after(self, inputs: Sequence[NodeInput]) -> tuple[int, int]:
        """The rows at which all inputs are defined, and at which all have settled."""
        nodes = [(self.nodes[source.node], source.output) for source in inputs if source.node is not None]
        begin = max((node.starts[output] for node, output in nodes), default=0)
        return begin, max((node.settled for node, _ in nodes), default=0)
