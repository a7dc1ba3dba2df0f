"""The one strict JSON loader, and the one form in which JSON is written."""

import json
import math
import os
from pathlib import Path
from typing import Any, Final

from stratkernel_config.errors import ConfigError, DocumentError, Problem, shown
from stratkernel_config.positions import line_and_column, place_of_second_key, place_of_word

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_KEYS: Final = 10_000
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def load_json(path: Path) -> Any:
    """Read a JSON file: UTF-8 with or without BOM, limits on size, depth and keys, nothing ambiguous.

    Raises:
        ConfigError: it cannot be read.
        DocumentError: names the file, the place in it, what was expected and what was got.
    """
    return parse_json(read_bytes(path), str(path))


def read_bytes(path: Path, *, follow: bool = True) -> bytes:
    """The content of a document's file, at most one byte more than a document may have.

    Raises:
        ConfigError: it cannot be read, is no regular file, or is a symbolic link that must not be followed.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags if follow else flags | _NO_FOLLOW)
        try:
            data = os.read(handle, MAX_BYTES + 1)
            while data and len(data) <= MAX_BYTES and (more := os.read(handle, MAX_BYTES + 1 - len(data))):
                data += more
            return data
        finally:
            os.close(handle)
    except OSError as error:
        if not follow and path.is_symlink():
            raise ConfigError(f"{path}: a symbolic link, which is not followed; put the file there") from None
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_json(data: bytes, where: str) -> Any:
    """The value of a JSON text; `where` names it in messages. Raises `DocumentError`."""
    if len(data) > MAX_BYTES:
        raise _refused(where, "", f"at most {MAX_BYTES:,} bytes", "more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        got = f"another encoding (byte {error.start} is not UTF-8)"
        raise _refused(where, "", "UTF-8; save the file as UTF-8", got) from None
    keys = _KeyCounter(text, where)
    try:
        value = json.loads(  # noqa: TID251 - this is the one loader
            text, object_pairs_hook=keys.collect, parse_constant=keys.no_constant, parse_float=keys.finite
        )
    except json.JSONDecodeError as error:
        raise _syntax_problem(text, where, error) from None
    except RecursionError:
        raise _refused(where, "", f"at most {MAX_DEPTH} levels of nesting", "more") from None
    except ValueError:
        raise _refused(where, "", "numbers of a sensible length", "one of thousands of digits") from None
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth_and_text(value, where)
    return value


def dump_json(value: Any) -> bytes:
    """JSON as it is written to disk: UTF-8, indented, a line break at the end.

    Raises:
        ConfigError: what no strict loader would read back, as NaN or a lone surrogate.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        data = f"{text}\n".encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"this cannot be written as JSON: {error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"a document may have at most {MAX_BYTES:,} bytes, this one has {len(data):,}")
    return data


def canonical_json(value: Any) -> bytes:
    """One spelling for equal values, to be hashed: sorted keys, no spaces."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def _refused(where: str, place: str, expected: str, got: str) -> DocumentError:
    return DocumentError([Problem(where, place, expected, got)])


def _syntax_problem(text: str, where: str, error: json.JSONDecodeError) -> DocumentError:
    expected = (
        error.msg.removeprefix("Expecting ")
        if error.msg.startswith("Expecting ")
        else f"valid JSON ({error.msg})"
    )
    rest = text[error.pos : error.pos + 20].partition("\n")[0]
    got = shown(rest) if rest.strip() else "the end of the line" if error.pos < len(text) else "the end"
    return _refused(where, line_and_column(text, error.pos), expected, got)


class _KeyCounter:
    """The hooks of the parser; they know the text, so that a refusal can say where."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._count = 0

    def collect(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._count += len(pairs)
        if self._count > MAX_KEYS:
            raise _refused(self._where, "", f"at most {MAX_KEYS:,} keys", "more")
        result = dict(pairs)
        if len(result) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            place = place_of_second_key(self._text)
            raise _refused(self._where, place, "each key once in an object", f"{shown(twice)} twice")
        return result

    def no_constant(self, name: str) -> float:
        raise _refused(self._where, place_of_word(self._text, name), "a number", name)

    def finite(self, text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            place = place_of_word(self._text, text)
            raise _refused(self._where, place, "a number below 1.8e308", shown(text).strip("'"))
        return value


def _check_depth_and_text(value: Any, where: str) -> None:
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        for node in level:
            if isinstance(node, str) and any("\ud800" <= letter <= "\udfff" for letter in node):
                raise _refused(where, "", "text", f"a lone surrogate in {node[:20]!a}")
        containers = [node for node in level if isinstance(node, dict | list)]
        if containers and depth == MAX_DEPTH:
            raise _refused(where, "", f"at most {MAX_DEPTH} levels of nesting", "more")
        level = [child for container in containers for child in _children(container)]


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return container if isinstance(container, list) else [*container.keys(), *container.values()]
