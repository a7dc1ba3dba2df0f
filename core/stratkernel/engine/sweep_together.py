"""One call of `calculate` for many combinations, where it cannot tell them apart.

A signal depends on the last `window` rows only. So the events that combinations read are laid one behind
the other, further apart than a window reaches, and what `calculate` says of them is taken apart again. The
strategy that is asked is shown nothing in which they differ: parameters that vary, dense columns, candles
and the number of rows are withheld. One that reaches for these, keeps something in itself, or says anything
else than it does alone, is asked for each combination on its own.
"""

from collections.abc import Sequence
from inspect import getattr_static
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import IntArray, read_only
from stratkernel.contracts.events import Events
from stratkernel.contracts.params import Params
from stratkernel.contracts.signals import Signals
from stratkernel.contracts.strategy import BaseStrategy, StrategyData
from stratkernel.engine.sweep_columns import SharedColumns
from stratkernel.engine.sweep_nodes import Reading

_OWN: Final = {"strategy_name", "params"}
_APART: Final = 11
"""Of the first group one in so many is asked alone too, of those that follow the last one."""
_PLAIN: Final = (bool, int, float, str)


class JoinedSignals(NamedTuple):
    """Signals of some combinations, one after the other: those of number i from `bounds[i]` on.

    The rows of number i less `offsets[i]` are rows of its data, which begin at row `starts[i]` of the
    candles; those before row `firsts[i]` of the candles are not to count.
    """

    signals: Signals
    bounds: IntArray
    offsets: IntArray
    starts: IntArray
    firsts: IntArray


class Together:
    """Asks the strategies of one class together, for as long as that goes well."""

    def __init__(self, cls: type[BaseStrategy[Any]], shared: SharedColumns) -> None:
        self._cls = cls
        self._shared = shared
        self._rows = len(shared.columns)
        window = getattr_static(cls, "window", None)
        self._window: int = window if window.__class__ is int else 0
        plain = not any(vars(base).get("__slots__") for base in cls.__mro__)
        self._goes_well = plain and self._window > 0 and cls.advance is BaseStrategy.advance
        self._compared = False

    def calculate(
        self, strategies: Sequence[BaseStrategy[Any]], readings: Sequence[Reading]
    ) -> JoinedSignals | None:
        """The signals of the strategies; None where they have to be asked one by one."""
        if not self._goes_well or any(reading.nullable for reading in readings):
            return None
        starts = np.array([reading.start for reading in readings])
        lengths = self._rows - starts
        if lengths.min() < self._window:
            return None
        try:
            last = len(strategies) - 1
            compared = (last,) if self._compared else range(last, -1, -_APART)
            # first, and copied: a strategy may give the same arrays again
            alone = [(one, self._alone(strategies[one], readings[one])) for one in compared]
            joined = self._joined(strategies, readings, starts, lengths)
            self._goes_well = joined is not None and all(_says(joined, one, said) for one, said in alone)
        except (Exception, SystemExit):  # noqa: BLE001 - asked one by one, it is told what is wrong
            self._goes_well = False
        self._compared = True
        return joined if self._goes_well else None

    def _joined(
        self,
        strategies: Sequence[BaseStrategy[Any]],
        readings: Sequence[Reading],
        starts: IntArray,
        lengths: IntArray,
    ) -> JoinedSignals | None:
        name = strategies[0].__dict__.get("strategy_name")
        if any(each.__dict__.keys() != _OWN or each.strategy_name is not name for each in strategies):
            return None
        self._shared.compute_waiting()
        reach = _Reach()
        places = np.cumsum(lengths + self._window)
        offsets = np.concatenate(([0], places[:-1]))
        params = _SharedParams(strategies[0].Params, _agreed([each.params for each in strategies]), reach)
        stand_in = self._cls.__new__(self._cls)
        stand_in.__dict__.update(strategy_name=name, params=params)
        given = stand_in.calculate(_JoinedEvents(readings, offsets, int(places[-1]), reach))
        if reach.too_far or stand_in.__dict__.keys() != _OWN or not _in_good_shape(given):
            return None
        bounds = _bounds(given.rows, offsets, lengths)
        if bounds is None:
            return None
        return JoinedSignals(given, bounds, offsets, starts, starts + (self._window - 1))

    def _alone(self, strategy: BaseStrategy[Any], reading: Reading) -> "_Said | None":
        """What a strategy says that is asked alone; None where it keeps something, or says nonsense."""
        given = strategy.calculate(self._shared.data_for(reading)[0])
        if strategy.__dict__.keys() != _OWN or not _in_good_shape(given):
            return None
        return _Said(
            given.rows.copy(), given.types.copy(), given.confidence.copy() if given.details is None else None
        )


class _Said(NamedTuple):
    rows: npt.NDArray[Any]
    types: npt.NDArray[Any]
    confidence: npt.NDArray[Any] | None


def _says(joined: JoinedSignals, number: int, said: _Said | None) -> bool:
    """Whether that is what a combination is taken to say."""
    signals = joined.signals
    if said is None or (said.confidence is None) != (signals.details is not None):
        return False
    part = slice(int(joined.bounds[number]), int(joined.bounds[number + 1]))
    return (
        np.array_equal(said.rows, signals.rows[part] - joined.offsets[number])
        and np.array_equal(said.types, signals.types[part])
        and (said.confidence is None or np.array_equal(said.confidence, signals.confidence[part]))
    )


class _WithheldError(Exception):
    """A strategy reached for something in which combinations differ."""


class _Reach:
    """Remembers that something was reached for, even if the strategy catches the error."""

    def __init__(self) -> None:
        self.too_far = False

    def beyond(self, what: str) -> _WithheldError:
        """The error to raise for it."""
        self.too_far = True
        return _WithheldError(what)


class _SharedParams:
    """Parameters of many combinations: says those in which all of them agree, and nothing else."""

    __slots__ = ("_agreed", "_model", "_reach")

    def __init__(self, model: type[Params], agreed: dict[str, Any], reach: _Reach) -> None:
        self._model = model
        self._agreed = agreed
        self._reach = reach

    def __getattribute__(self, name: str) -> Any:
        own = object.__getattribute__
        agreed = own(self, "_agreed")
        if name in agreed:
            return agreed[name]
        if name == "__class__":
            return own(self, "_model")
        raise own(self, "_reach").beyond(name)

    def __eq__(self, other: object) -> bool:
        raise object.__getattribute__(self, "_reach").beyond("==")

    __hash__ = None  # type: ignore[assignment]  # asking for it fails

    def __repr__(self) -> str:
        raise object.__getattribute__(self, "_reach").beyond("repr")


class _JoinedEvents(StrategyData):
    """The event columns of many combinations; whatever else `StrategyData` has is not set, and withheld."""

    __slots__ = ("_length", "_offsets", "_reach", "_readings")

    def __init__(self, readings: Sequence[Reading], offsets: IntArray, length: int, reach: _Reach) -> None:
        self._readings = readings
        self._offsets = offsets
        self._length = length
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        raise self._reach.beyond(name)

    def column(self, name: str) -> Events:
        return self.events(name)

    def events(self, name: str) -> Events:
        place = [alias for alias, _, _ in self._readings[0].found].index(name)
        rows, values = [], []
        for reading in self._readings:
            alias, node, output = reading.found[place]
            part = node.rows_from(output, reading.start)
            if alias != name or not isinstance(part, Events):
                raise self._reach.beyond(name)
            rows.append(part.rows)
            values.append(part.values)
        moved = np.concatenate(rows)
        moved += np.repeat(self._offsets, [len(part) for part in rows])
        return Events(read_only(moved), read_only(np.concatenate(values)), self._length)


def _agreed(params: Sequence[Params]) -> dict[str, Any]:
    """The fields in which all parameters are the same, and their values."""
    every = [each.__dict__ for each in params]
    return {
        name: value
        for name, value in every[0].items()
        if all(fields[name] is value or _same(fields[name], value) for fields in every)
    }


def _same(one: object, other: object) -> bool:
    """Whether two values are one for whoever looks at them; 0.0 and -0.0 are two."""
    return one.__class__ is other.__class__ and one.__class__ in _PLAIN and repr(one) == repr(other)


def _in_good_shape(given: object) -> bool:
    if not isinstance(given, Signals):
        return False
    rows, types = given.rows, given.types
    return rows.ndim == 1 and types.shape == rows.shape and rows.dtype.kind == types.dtype.kind == "i"


def _bounds(rows: npt.NDArray[Any], offsets: IntArray, lengths: IntArray) -> IntArray | None:
    """Where the signals of each combination begin and end; None where some belong to none of them."""
    if np.count_nonzero(rows[1:] < rows[:-1]):
        return None
    bounds = np.append(np.searchsorted(rows, offsets), len(rows))
    ends = np.searchsorted(rows, offsets + lengths)
    return bounds if bounds[0] == 0 and np.array_equal(bounds[1:], ends) else None
