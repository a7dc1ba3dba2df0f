"""What of a database is this project's: the rest is never read, altered or proposed for dropping."""

from typing import Any, Final

from stratkernel_database.models import VERSION_TABLE, metadata


def is_ours(name: str | None, kind: str, parents: Any) -> bool:
    """Whether Alembic looks at something that it found in the database."""
    table = name if kind == "table" else parents.get("table_name")
    return table is None or table in metadata.tables


def is_ours_or_new(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:  # noqa: ARG001 - Alembic's signature
    """The same for what would be changed; nothing stands in the way of what our tables lack."""
    table = thing if kind == "table" else getattr(thing, "table", None)
    return table is None or table.name in metadata.tables


OPTIONS: Final[dict[str, Any]] = {
    "target_metadata": metadata,
    "version_table": VERSION_TABLE,
    "include_name": is_ours,
    "include_object": is_ours_or_new,
    "compare_type": True,
}
"""How Alembic is configured, for changes and for comparisons alike."""
