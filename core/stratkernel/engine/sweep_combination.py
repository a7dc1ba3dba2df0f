"""From the number of a combination to a strategy with its parameters, or to the reason why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stratkernel.contracts.params import Params, make_params
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.engine.exits import EXIT_PREFIX, NO_EXITS, ExitRules, split_exits
from stratkernel.engine.grid import Grid
from stratkernel.kernel.errors import ParameterError, UsageError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.registry import Item

_PLAIN: Final = (bool, int, float)
_FEW: Final = 10_000


class Refused(Exception):  # noqa: N818 - no error: most grids hold combinations that mean nothing
    """The strategy does not accept the parameters; never leaves the engine."""


class Combinations:
    """The strategies of a grid; `exits` are the rules that its axes do not replace."""

    def __init__(self, grid: Grid, item: Item, strategy_name: str, exits: ExitRules = NO_EXITS) -> None:
        self.grid: Final = grid
        self.item: Final = item
        self._name = strategy_name
        self._model: type[Params] = item.cls.Params
        validator = self._model.__pydantic_validator__
        self._validate = validator.validate_python
        self._accepts = validator.isinstance_python  # costs less than an error
        self._refused_before = False
        self._cls = item.cls
        self._fixed = dict(grid.fixed)
        self._last: Sequence[Any] = grid.axes[-1].values if grid.axes else ()
        self._last_name = grid.axes[-1].name if grid.axes else ""
        self._count = len(self._last)
        self._prefix = -1
        self._before: dict[str, Any] = {}
        self._exits = exits.to_dict()
        with_exits = any(name.startswith(EXIT_PREFIX) for name in (*grid.names, *self._fixed))
        self._carefully = bool(exits) or with_exits or not self._all_typed()

    def strategy(self, index: int) -> tuple[BaseStrategy[Any], ExitRules] | None:
        """The strategy of a combination, and its exit rules; None where it does not accept the parameters.

        May raise whatever the plugin raises.
        """
        given = self._given(index)
        if self._carefully:
            try:
                return self.carefully(given)
            except Refused:
                return None
        if self._refused_before and not self._accepts(given):
            return None
        try:
            params = self._validate(given)
        except ValidationError:
            self._refused_before = True
            return None
        self._refused_before = False
        strategy: BaseStrategy[Any] = self._cls(self._name, params)
        return strategy, NO_EXITS

    def _given(self, index: int) -> dict[str, Any]:
        """The parameters of a combination; of neighbours all but the last axis are the same."""
        if not self._count:
            return dict(self._fixed)
        prefix, place = divmod(index, self._count)
        if prefix != self._prefix:
            self._before = self.grid[index]
            self._prefix = prefix
        given = self._before.copy()
        given[self._last_name] = self._last[place]
        return given

    def carefully(self, given: Mapping[str, Any]) -> tuple[BaseStrategy[Any], ExitRules]:
        """As `StrategyFactory.create` makes it, with its messages.

        Raises:
            Refused: names the parameters and what was expected.
            PluginError: the strategy failed.
        """
        own, rules = split_exits(given)
        try:
            exits = ExitRules.of({**self._exits, **rules})
            with guard(self.item.title, "while it was created", passing=ParameterError):
                params = make_params(self._model, own, self.item.title)
                strategy: BaseStrategy[Any] = self.item.cls(self._name, params)
        except UsageError as error:
            raise Refused(str(error)) from error
        return strategy, exits or NO_EXITS

    def why_refused(self, index: int) -> str:
        """What the strategy says of parameters that it refuses."""
        try:
            self.carefully(self.grid[index])
        except Refused as refused:
            return str(refused)
        return "refused without a reason"

    def _all_typed(self) -> bool:
        """Whether all values have the types of their fields, so that none need be read as JSON is read."""
        given: dict[str, Iterable[Any]] = {name: (value,) for name, value in self._fixed.items()}
        given |= {axis.name: axis.values for axis in self.grid.axes}
        return all(self._typed(name, values) for name, values in given.items())

    def _typed(self, name: str, values: Iterable[Any]) -> bool:
        known = self._model.model_fields.get(name)
        if known is None or not isinstance(values, tuple | list):
            return True
        if all(isinstance(value, _PLAIN) for value in values):
            return True
        annotation: Any = known.annotation
        kind: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True))
        try:
            for value in values:
                kind.validate_python(value)
        except ValidationError:
            return False
        return True
