"""Run by Alembic for each upgrade and downgrade, on the connection and in the transaction of the caller."""

from alembic import context

from stratkernel_database.migrations.scope import OPTIONS

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"], on_version_apply=attributes["on_version_apply"], **OPTIONS
)
context.run_migrations()
