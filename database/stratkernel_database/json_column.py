"""A column of JSON objects."""

import json
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

_ENCODER: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def encode_json(value: Any) -> str:
    """The text of a value. Raises `ValueError` or `TypeError` for what JSON does not know, as NaN."""
    return _ENCODER.encode(value)


class JsonObject(sa.TypeDecorator[Any]):
    """Objects in, objects out; `None` is NULL. A text is taken as an object's JSON, so that bulk writers
    can encode columns at once.

    `JSON` on PostgreSQL too, not JSONB: that reorders keys and rewrites numbers (1e16), and the hashes of
    a configuration would not hold.
    """

    impl = sa.JSON
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any]:
        del dialect
        return lambda value: value if value is None or isinstance(value, str) else encode_json(value)
