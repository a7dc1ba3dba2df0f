"""The indicator columns that the combinations of a sweep share: each distinct node is computed once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest
from stratkernel.contracts.strategy import StrategyData
from stratkernel.engine.crossings import Crossing
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.graph_nodes import Computed, Node, NodeInput, advance_node
from stratkernel.engine.indicator_cache import IndicatorCache, NodeColumns, column_bytes
from stratkernel.engine.indicator_graph import IndicatorGraph, create_indicator_key
from stratkernel.engine.output_checks import Column
from stratkernel.engine.sweep_nodes import (
    MadeIndicator,
    Reading,
    SharedNode,
    UnusualRequestError,
    asked_key,
    start_of,
    structure_key,
)
from stratkernel.engine.sweep_waiting import WaitingCrossings
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.kernel.registry import Item


class SharedColumns:
    """Columns over candles that are folded from their first one on, without a reset.

    `data` names the candles for the cache. What is held beside the cache stays below its bound too.
    """

    def __init__(
        self,
        columns: Columns,
        data: tuple[Any, ...],
        factory: IndicatorFactory,
        plan: TimeframePlan,
        cache: IndicatorCache,
        who: str,
    ) -> None:
        self.columns: Final = columns
        self._length = len(columns)
        self._data = data
        self._factory = factory
        self._plan = plan
        self._cache = cache
        self._who = who
        self._most_held = cache.counts.max_bytes
        self._items: dict[str | type[BaseIndicator[Any]], Item] = {}
        self._made: dict[tuple[Any, ...], MadeIndicator] = {}
        self._made_of_crossing: dict[float, MadeIndicator] = {}
        self._made_by_key: dict[tuple[str, type], MadeIndicator] = {}
        self._aliases: set[str] = set()
        self._seen: dict[int, SharedNode] = {}
        self._waiting = WaitingCrossings(columns)
        self._begin_anew()

    def read(self, requests: Mapping[str, IndicatorRequest]) -> "Reading":
        """What a strategy asks for, found or computed; crossings wait until data are asked for.

        Raises:
            UnusualRequestError: the requests are none that can be answered this way.
            PluginError: an indicator failed.
        """
        if self._held > self._most_held:
            self._begin_anew()
        self._seen.clear()
        seen, known = self._seen, self._known
        found: list[tuple[str, SharedNode, str]] = []
        start, nullable = 0, False
        for alias, request in requests.items():
            if alias not in self._aliases:
                self._check_alias(alias)
            place = id(request)
            node = known.get(place) or seen.get(place)
            if node is None:
                node = self._asked_for(request)
            seen[place] = node
            output = request.output or node.only
            if output is None:
                found += [(f"{alias}.{each}", node, each) for each in node.starts]
                start = max(start, *node.starts.values())
            else:
                begin = node.starts.get(output)
                if begin is None:
                    raise UnusualRequestError(output)
                if begin > start:  # noqa: PLR1730 - `max` takes as long as all the rest of this branch
                    start = begin
                found.append((alias, node, output))
            if node.nullable:
                nullable = True
            if node.columns is None:
                self._compute_later(node)
        return Reading(found, min(start, self._length), nullable)

    def data_for(self, reading: "Reading") -> tuple[StrategyData, tuple[str, ...]]:
        """What the strategy reads from row `reading.start` on, and which columns of it may hold NaN."""
        self.compute_waiting()
        start = reading.start
        columns: dict[str, Column] = {}
        nullable: tuple[str, ...] = ()
        for name, node, output in reading.found:
            columns[name] = node.rows_from(output, start)
            if node.nullable and output in node.nullable:
                nullable += (name,)
        candles = self._candles_from.get(start)
        if candles is None:
            candles = self._candles_from[start] = self.columns.slice(start, self._length)
        return StrategyData(candles, columns), nullable

    def _begin_anew(self) -> None:
        """Let go of everything; what the cache holds is not lost."""
        self._nodes: dict[tuple[Any, ...], SharedNode] = {}
        self._plain: dict[tuple[Any, ...], SharedNode] = {}
        self._known: dict[int, SharedNode] = {}
        """Nodes by the id of a request, which stands for as long as that is among `_asked`."""
        self._asked: list[IndicatorRequest] = []
        self._candles_from: dict[int, Columns] = {}
        self._seen.clear()
        self._held = 0

    def _check_alias(self, alias: object) -> None:
        if not isinstance(alias, str) or alias in CANDLE_COLUMNS or "." in alias:
            raise UnusualRequestError(alias)
        self._aliases.add(alias)

    def _asked_for(self, request: IndicatorRequest) -> SharedNode:
        """The node of a strategy's request, which may be on a higher timeframe."""
        if request.__class__ is not IndicatorRequest:
            raise UnusualRequestError(request)
        if request.indicator is Crossing:
            node = self._crossing(request)
            if node is not None:
                return node
        try:
            return self._node(request)
        except _HigherTimeframeError:
            return self._aligned(request)

    def _crossing(self, request: IndicatorRequest) -> SharedNode | None:
        """The short way to two lines that cross: most strategies ask for them, and each combination anew.

        None where the lines were not asked for before, or anything else is not as `crossing` makes it.
        """
        params, inputs = request.params, request.inputs
        if len(params) != 1 or len(inputs) != 3 or inputs[2] != "close" or request.timeframe is not None:
            return None
        line, other, _ = inputs
        one, two = self._seen.get(id(line)), self._seen.get(id(other))
        relative = params.get("relative")
        if one is None or two is None or relative.__class__ is not float:
            return None
        assert isinstance(line, IndicatorRequest)
        assert isinstance(other, IndicatorRequest)
        of_one, of_two = line.output or one.only, other.output or two.only
        key = (one.number, of_one, two.number, of_two, relative)
        node = self._nodes.get(key)
        if node is None:
            made = self._made_of_crossing.get(relative) or self._remembered(request)
            if of_one is None or of_two is None or of_one not in one.starts or of_two not in two.starts:
                return None
            if of_one in one.nullable or of_two in two.nullable:
                return None
            begin = max(one.starts[of_one], two.starts[of_two])
            sources: tuple[tuple[SharedNode | None, str], ...]
            sources = ((one, of_one), (two, of_two), (None, "close"))
            node = self._nodes[key] = SharedNode(
                len(self._nodes), made, sources, min(begin, self._length), {"crossing": begin}, made.nullable
            )
        self._seen[id(request)] = node
        return node

    def _node(self, request: IndicatorRequest) -> SharedNode:
        """The node of a request; an object that is asked for again is not looked up again."""
        node = self._seen.get(id(request))
        if node is None:
            if request.timeframe is not None:
                raise _HigherTimeframeError
            asked = asked_key(request)
            try:
                node = None if request.inputs else self._plain.get(asked)
            except TypeError:  # a parameter that is no key
                raise UnusualRequestError(request) from None
            if node is None:
                node = self._bound(request, asked)
            self._seen[id(request)] = node
        return node

    def _bound(self, request: IndicatorRequest, asked: tuple[Any, ...]) -> SharedNode:
        """The node of a request over its sources, which are resolved first."""
        made = self._made.get(asked) or self._remembered(request)
        sources = request.inputs or made.sources
        key: list[Any] = [made.number]
        for source in sources:
            if source.__class__ is str:
                key.append(source)
            elif source.__class__ is IndicatorRequest:
                inner = self._seen.get(id(source)) or self._node(source)
                key.append(inner.number)
                key.append(source.output)
            else:
                raise UnusualRequestError(source)
        place = tuple(key)
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = self._new(made, sources)
        if not request.inputs:
            self._plain[asked] = node
            self._known[id(request)] = node
            self._asked.append(request)
        return node

    def _remembered(self, request: IndicatorRequest) -> MadeIndicator:
        made = self._made[asked_key(request)] = self._make(request.indicator, request.params)
        if made.crosses is not None:
            self._made_of_crossing[made.crosses] = made
        return made

    def _make(self, which: str | type[BaseIndicator[Any]], params: Mapping[str, Any]) -> MadeIndicator:
        item = self._items.get(which) or self._items.setdefault(which, self._factory.item(which))
        indicator = self._factory.create(item, params)
        key = create_indicator_key(item.qualified, indicator.params)[:-2]
        known = self._made_by_key.get((key, item.cls))
        if known is None:
            known = MadeIndicator(len(self._made_by_key), item, indicator, key)
            self._made_by_key[key, item.cls] = known
        return known

    def _new(self, made: MadeIndicator, sources: Sequence[str | IndicatorRequest]) -> SharedNode:
        """A node for an indicator over its sources, which have their nodes by now."""
        if len(sources) != len(made.indicator.inputs):
            raise UnusualRequestError(made.key)
        inputs: list[tuple[SharedNode | None, str]] = []
        begin = 0
        for source in sources:
            if isinstance(source, str):
                if source not in CANDLE_COLUMNS:
                    raise UnusualRequestError(source)
                inputs.append((None, source))
                continue
            inner = self._node(source)
            output = source.output or inner.only
            if output is None or output in inner.nullable:
                raise UnusualRequestError(source)
            inputs.append((inner, output))
            begin = max(begin, start_of(inner, output))
        starts = {output: begin + rows for output, rows in made.lookbacks.items()}
        number = len(self._nodes)
        return SharedNode(number, made, tuple(inputs), min(begin, self._length), starts, made.nullable)

    def _aligned(self, request: IndicatorRequest) -> SharedNode:
        """What a request on a higher timeframe gives on the base candles, as one node."""
        place = (None, structure_key(request))
        node = self._nodes.get(place)
        if node is None:
            graph = IndicatorGraph({"it": request}, self._factory, self._who, self._plan)
            step, _ = graph.advance(self.columns, graph.initial_states(), 0)
            columns = graph.columns_of(step, step.first, self._length)
            named = {name.partition(".")[2] or request.output or name: c for name, c in columns.items()}
            nullable = frozenset(name.partition(".")[2] or request.output or name for name in graph.nullable)
            starts = dict.fromkeys(named, step.first)
            node = SharedNode(len(self._nodes), None, (), step.first, starts, nullable)
            node.columns = named
            self._held += column_bytes(named)
            self._nodes[place] = node
        return node

    def _compute_later(self, node: SharedNode) -> None:
        """Compute a node, but let it wait for others where it is a crossing."""
        made = node.made
        assert made is not None
        if made.crosses is None or node.begin == self._length:
            self._compute(node)
            return
        for inner, _ in node.inputs:
            if inner is not None and inner.columns is None:
                self._compute(inner)
        self._waiting.add(node)

    def _compute(self, node: SharedNode) -> None:
        made = node.made
        assert made is not None
        for inner, _ in node.inputs:
            if inner is not None and inner.columns is None:
                self._compute(inner)
        if made.indicator.event_outputs.issuperset(made.outputs):
            node.columns = self._advance(node, made)
        else:
            key = self._full_key(node), made.item.cls
            node.columns = self._cache.get_or_compute(self._data, key, lambda: self._advance(node, made))
        self._held += column_bytes(node.columns)

    def compute_waiting(self) -> None:
        """The crossings that were read since the last time."""
        self._held += self._waiting.compute()

    def _full_key(self, node: SharedNode) -> str:
        inputs = [name if inner is None else f"{self._full_key(inner)}.{name}" for inner, name in node.inputs]
        assert node.made is not None
        return f"{node.made.key}({','.join(inputs)})"

    def _advance(self, node: SharedNode, made: MadeIndicator) -> NodeColumns:
        inners = [inner for inner, _ in node.inputs if inner is not None]
        computed = [Computed(inner.columns or {}, inner.begin) for inner in inners]
        places = iter(range(len(inners)))
        inputs = tuple(
            NodeInput(name, None if inner is None else next(places), output)
            for name, (inner, output) in zip(made.indicator.inputs, node.inputs, strict=True)
        )
        whole = Node(made.key, made.item, made.indicator, inputs, node.begin, node.starts, 0)
        done, _ = advance_node(whole, self.columns, computed, made.indicator.initial_state(), 0)
        return done.columns


class _HigherTimeframeError(Exception):
    """A request is of another timeframe than the candles."""
