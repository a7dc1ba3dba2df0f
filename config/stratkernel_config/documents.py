"""The one strict JSON loader."""

import json
import math
from pathlib import Path
from typing import Any, Final

from stratkernel_config.errors import ConfigError

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_KEYS: Final = 10_000


def load_json(path: Path) -> Any:
    """Read a JSON file: UTF-8 with or without BOM, limits on size, depth and keys, nothing ambiguous.

    Raises:
        ConfigError: names the file, the place in it, what was expected and what was got.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_json(data, str(path))


def parse_json(data: bytes, where: str) -> Any:
    """The value of a JSON text; `where` names it in messages. Raises as `load_json` does."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_BYTES:,} bytes, the most that a document may have")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    keys = _KeyCounter(where)
    try:
        value = json.loads(  # noqa: TID251 - this is the one loader
            text, object_pairs_hook=keys.collect, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}:{error.lineno}:{error.colno}: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{where}: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    _check_depth_and_text(value, where)
    return value


class _KeyCounter:
    def __init__(self, where: str) -> None:
        self._where = where
        self._count = 0

    def collect(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._count += len(pairs)
        if self._count > MAX_KEYS:
            raise ConfigError(f"{self._where}: more than {MAX_KEYS:,} keys")
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise ConfigError(f"{self._where}: the key {key!r} stands twice in one object")
            result[key] = value
        return result


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


def _check_depth_and_text(value: Any, where: str) -> None:
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        for node in level:
            if isinstance(node, str) and any("\ud800" <= letter <= "\udfff" for letter in node):
                raise ConfigError(f"{where}: a text has a lone surrogate, which is no character")
        containers = [node for node in level if isinstance(node, dict | list)]
        if containers and depth == MAX_DEPTH:
            raise ConfigError(f"{where}: nested deeper than {MAX_DEPTH} levels")
        level = [child for container in containers for child in _children(container)]


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return container if isinstance(container, list) else [*container.keys(), *container.values()]
