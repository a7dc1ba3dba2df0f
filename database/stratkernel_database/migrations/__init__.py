"""How the tables came to be what they are, revision by revision.

A new revision is a file in `versions/`, its id the next number, and one more name in `REVISIONS`.
"""

from typing import Final

REVISIONS: Final = ("0001",)
"""Oldest first; told here too, so that a database that is up to date is opened without Alembic."""
