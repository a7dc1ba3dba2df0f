"""Grids of parameters: every combination of some axes, counted but never laid out."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final, get_type_hints, overload

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stratkernel.contracts.params import Params
from stratkernel.engine.exits import EXIT_PREFIX, ExitRules
from stratkernel.kernel.errors import ParameterError, did_you_mean

_MOST_LISTED: Final = 1_000_000
_HOW: Final = "write 5..50 (steps of 1), 20:200:5 (first:last:step) or values with commas: 5,10,20"
_WORDS: Final = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Steps(Sequence[float]):
    """The numbers first, first + step, ... up to `last`, each exact in decimal before it is rounded."""

    first: Decimal
    step: Decimal
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> "tuple[float, ...]": ...
    def __getitem__(self, index: int | slice) -> "float | tuple[float, ...]":
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self.length)))
        if not -self.length <= index < self.length:
            raise IndexError(index)
        return float(self.first + self.step * (index % self.length))


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter and the values that it takes, in their order; long ranges are kept as ranges."""

    name: str
    values: Sequence[Any]


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of some axes, the last axis varying fastest.

    `fixed` are parameters that stay the same. Combinations are numbered 0 to `size` - 1 and made when
    they are asked for, so that a grid of any size costs nothing.
    """

    axes: tuple[Axis, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, texts: Sequence[str], model: type[Params], who: str, fixed: Mapping[str, Any] | None = None
    ) -> "Grid":
        """A grid from texts like `fast_period=5..50`, `slow_period=20:200:5`, `ma=ema,sma`, `k=0.5:2:0.25`.

        Both ends of a range belong to it. `model` says which parameters there are and of what type,
        `who` names its owner in messages. Exit rules are axes too: `exit.stop_loss=0.01:0.05:0.01`.

        Raises:
            ParameterError: a parameter that does not exist or comes twice, a value of another type.
        """
        fields = {name: field.annotation for name, field in model.model_fields.items()}
        known = fields | {f"{EXIT_PREFIX}{name}": kind for name, kind in get_type_hints(ExitRules).items()}
        axes: dict[str, Axis] = {}
        for text in texts:
            name, given, values = text.partition("=")
            name = name.strip()
            if not given or not name:
                raise ParameterError(f"grid '{text}': expected parameter=values; {_HOW}")
            if name not in known:
                raise ParameterError(
                    f"{who}: a grid over the unknown parameter '{name}'.{did_you_mean(name, known)} "
                    f"It has: {', '.join(fields) or 'none'}; exit rules are called {EXIT_PREFIX}stop_loss"
                )
            if name in axes:
                raise ParameterError(f"grid over '{name}' is given twice; put all of its values into one")
            axes[name] = Axis(name, _values(name, values, known[name]))
        left = {key: value for key, value in (fixed or {}).items() if key not in axes}
        return cls(tuple(axes.values()), left)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        return tuple(axis.name for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of combinations, valid or not; may exceed what `len` can say."""
        size = 1
        for axis in self.axes:
            size *= len(axis.values)
        return size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The parameters of a combination, the fixed ones included."""
        return {**self.fixed, **dict(zip(self.names, self.values_at(index), strict=True))}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(self.size))

    def values_at(self, index: int) -> tuple[Any, ...]:
        """The values of the axes, in their order, at a combination."""
        if not 0 <= index < self.size:
            raise IndexError(f"combination {index} of a grid of {self.size}")
        return self._values_at(index)

    def sample(self, count: int, seed: int = 0) -> list[int]:
        """Numbers of `count` different combinations in ascending order; all where there are no more.

        The same seed gives the same numbers.
        """
        size = self.size
        if count >= size:
            return list(range(size))
        chooser = random.Random(seed)  # noqa: S311 - it chooses experiments, not secrets
        chosen: set[int] = set()
        if 2 * count > size:
            return sorted(chooser.sample(range(size), count))
        while len(chosen) < count:
            chosen.add(chooser.randrange(size))
        return sorted(chosen)

    def _values_at(self, index: int) -> tuple[Any, ...]:
        values = []
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.values))
            values.append(axis.values[place])
        return tuple(values[::-1])


def _values(name: str, text: str, annotation: Any) -> Sequence[Any]:
    """The values of one axis; a single range stays lazy."""
    kind: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))
    read = [_part(name, part.strip(), kind) for part in text.split(",")]
    if len(read) == 1:
        return read[0]
    if sum(map(len, read)) > _MOST_LISTED:
        raise ParameterError(f"grid over '{name}': a range of more than {_MOST_LISTED:,} values stands alone")
    values = tuple(value for part in read for value in part)
    seen: set[tuple[type, Any]] = set()
    for value in values:
        if (type(value), value) in seen:
            raise ParameterError(f"grid over '{name}': the value {value!r} is given twice")
        seen.add((type(value), value))
    return values


def _part(name: str, text: str, kind: "TypeAdapter[Any]") -> Sequence[Any]:
    colons, dots = text.split(":"), text.split("..")
    bounds = [*dots, "1"] if len(dots) == 2 and len(colons) == 1 else colons
    if len(bounds) == 3:
        numbers = [_decimal(bound) for bound in bounds]
        if all(number is not None for number in numbers):
            return _range(name, text, kind, *[number for number in numbers if number is not None])
    elif len(bounds) == 2 and all(_decimal(bound) is not None for bound in bounds):
        raise ParameterError(f"grid over '{name}': '{text}' has no step; {_HOW}")
    found, value = _literal(text, kind)
    if not found:
        raise ParameterError(f"grid over '{name}': expected {_expected(kind)}, got '{text}'; {_HOW}")
    return (value,)


def _expected(kind: "TypeAdapter[Any]") -> str:
    schema = kind.json_schema()
    kinds = [schema, *schema.get("anyOf", ())]
    choices = [str(choice) for each in kinds for choice in each.get("enum", ())]
    return ", ".join(choices) or " or ".join(
        _KINDS[each["type"]] for each in kinds if each.get("type") in _KINDS
    )


_KINDS: Final = {
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true or false",
    "string": "texts",
    "null": "null",
}


def _range(
    name: str, text: str, kind: "TypeAdapter[Any]", first: Decimal, last: Decimal, step: Decimal
) -> Sequence[Any]:
    if step <= 0 or last < first:
        raise ParameterError(
            f"grid over '{name}': '{text}' is empty; the first is the smallest, and the step above 0"
        )
    count = int((last - first) / step) + 1
    whole = all(number == number.to_integral_value() for number in (first, last, step))
    if whole and _accepts(kind, 1) and not isinstance(kind.validate_python(1), float):
        return range(int(first), int(last) + 1, int(step))
    if _accepts(kind, 1.5):
        return Steps(first, step, count)
    if _accepts(kind, 1):
        raise ParameterError(f"grid over '{name}': expected whole numbers, got '{text}'")
    raise ParameterError(f"grid over '{name}': '{text}' is a range, and the parameter takes no numbers")


def _literal(text: str, kind: "TypeAdapter[Any]") -> tuple[bool, Any]:
    """Whether the text says a value of the type, and which."""
    candidates: list[Any] = []
    number = _decimal(text)
    if number is not None:
        candidates += [int(number)] if number == number.to_integral_value() and _is_whole(text) else []
        candidates.append(float(number))
    if text.lower() in _WORDS:
        candidates.append(_WORDS[text.lower()])
    candidates.append(text)
    for candidate in candidates:
        if _accepts(kind, candidate):
            return True, kind.validate_python(candidate)
    try:
        value = kind.validate_strings(text)
    except ValidationError:
        return False, None
    return isinstance(value, Enum), value  # an enum is its value


def _accepts(kind: "TypeAdapter[Any]", value: object) -> bool:
    try:
        kind.validate_python(value)
    except ValidationError:
        return False
    return True


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").removeprefix("+").isdigit()


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
