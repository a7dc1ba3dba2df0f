"""What goes into a database and comes out of it: times, names, JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from stratkernel.kernel.errors import UsageError, one_line
from stratkernel_database.json_column import encode_json

NAME_LENGTH: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros_of(moment: datetime, what: str) -> int:
    """Microseconds UTC of an aware datetime. Raises `UsageError` for a naive one; `what` names it."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise UsageError(
            f"{what} is {moment.isoformat()}, without a time zone; expected an aware datetime, "
            f"as {moment.isoformat()}+00:00"
        )
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """The aware datetime, UTC, of microseconds."""
    return _EPOCH + micros * _MICROSECOND


def is_storable(text: str) -> bool:
    """Whether a text can be in a database: PostgreSQL keeps no NUL, and none keeps half a character."""
    try:
        return "\x00" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


def checked_name(text: str, what: str, limit: int = NAME_LENGTH) -> str:
    """A name that fits its column. Raises `UsageError`."""
    if len(text) > limit or not is_storable(text):
        got = f"{len(text)} letters" if len(text) > limit else "a NUL or half a character"
        raise UsageError(
            f"{what} {one_line(text, 60)!r} cannot be stored; expected {limit} letters at most, got {got}"
        )
    return text


def checked_json(value: Mapping[str, Any], what: str) -> str:
    """The JSON of an object. Raises `UsageError` for what JSON does not know; says where it is."""
    try:
        return encode_json(dict(value))
    except (ValueError, TypeError, RecursionError) as error:
        place = _odd_place(value, what) if not isinstance(error, RecursionError) else what
        raise UsageError(
            f"{place} cannot be stored: {error}; expected finite numbers, texts, booleans, None, lists, dicts"
        ) from None


def same(column: sa.Column[Any], text: str) -> sa.ColumnElement[bool]:
    """Rows in which a column is this text; what cannot be stored is nowhere."""
    return column == text if is_storable(text) else sa.false()


def _odd_place(value: Any, place: str) -> str:
    """Where in nested values the first one is that JSON does not know."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = enumerate(value)
    for key, item in items:
        try:
            encode_json(item)
        except (ValueError, TypeError):
            return _odd_place(item, f"{place}[{key!r}]")
    return place
