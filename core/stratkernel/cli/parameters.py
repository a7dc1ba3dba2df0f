"""Parameters from the command line: `name=value`."""

from collections.abc import Sequence
from typing import Any, Final

from stratkernel.kernel.errors import UsageError
from stratkernel_config.documents import parse_json
from stratkernel_config.errors import ConfigError

_WORDS: Final = {"True": "true", "False": "false", "None": "null", "none": "null"}


def parse_parameters(texts: Sequence[str]) -> dict[str, Any]:
    """`["period=14", "allow_short=true"]` as typed values; the strategy's own model checks them.

    Raises:
        UsageError: no `=` in a text, or a name twice.
    """
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--param {text!r}: expected NAME=VALUE, for example period=14")
        if name.strip() in parameters:
            raise UsageError(f"--param {name.strip()} is given twice")
        parameters[name.strip()] = _value(value.strip())
    return parameters


def _value(text: str) -> Any:
    """What the text says as JSON, else the text itself: `14`, `true`, `null`, `[1, 2]`, `"14"`, `close`."""
    try:
        return parse_json(_WORDS.get(text, text).encode(), "--param")
    except ConfigError:
        return text
