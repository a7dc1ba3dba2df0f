"""The database itself: its tables and their revision, copies of it, what is kept in it."""

from typing import Final

_SCHEMA: Final = "stratkernel.cli.db_schema"

SUBCOMMANDS: Final = {
    "upgrade": (_SCHEMA, "bring the tables up to date"),
    "downgrade": (_SCHEMA, "take the tables back to an older revision"),
    "current": (_SCHEMA, "the revision of the tables, and the newest"),
    "check": (_SCHEMA, "what differs from what the tables should be; rows that belong to nothing"),
    "backup": (_SCHEMA, "copy the database to a file, also while it is written to"),
    "clean": ("stratkernel.cli.db_clean", "delete the runs that the retention settings do not keep"),
    "copy": ("stratkernel.cli.db_copy", "copy everything to another database, of any kind"),
}
