"""Parameters: frozen pydantic models with bounds."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, WithJsonSchema

from stratkernel.contracts.timeframes import TIMEFRAMES
from stratkernel.kernel.errors import ParameterError, did_you_mean


def _known_timeframe(name: str) -> str:
    if name not in TIMEFRAMES:
        raise ValueError(f"one of {', '.join(TIMEFRAMES)}")
    return name


TimeframeName = Annotated[
    str, AfterValidator(_known_timeframe), WithJsonSchema({"type": "string", "enum": list(TIMEFRAMES)})
]
"""A parameter that is the name of a timeframe."""


class Params(BaseModel):
    """The parameters of an indicator or a strategy.

    Types are strict (`"14"` and `True` are no integers), unknown names and NaN are refused. Say bounds
    and units with `pydantic.Field(ge=..., le=..., description=...)`, relations between parameters with
    a `model_validator`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


def make_params(model: type[Params], given: Mapping[str, Any], who: str) -> Params:
    """Validate parameters, all problems in one message.

    Raises:
        ParameterError: names each parameter, what is expected and what was got.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        from_json = _as_json(model, given)
        if from_json is not None:
            return from_json
        problems = "; ".join(_problem(model, dict(detail)) for detail in error.errors(include_url=False))
        raise ParameterError(f"{who}: {problems}") from None


def _as_json(model: type[Params], given: Mapping[str, Any]) -> Params | None:
    """The parameters read as JSON is read: still strict, but an enum is its value and a tuple a list."""
    try:
        return model.model_validate_json(json.dumps(dict(given)))
    except (ValidationError, TypeError, ValueError):
        return None


def _problem(model: type[Params], detail: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = list(model.model_fields)
        return f"unknown parameter '{name}'.{did_you_mean(name, known)} It has: {', '.join(known) or 'none'}"
    if detail["type"] == "missing":
        return f"parameter '{name}' is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    message = message.removeprefix("Input should be ")
    if not name:
        return message
    expected = message[:1].lower() + message[1:]
    return f"parameter '{name}': expected {expected}, got {detail['input']!r}"
