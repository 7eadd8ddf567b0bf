"""Alembic's entry: runs the revisions on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

import allocation.access.schema
import allocation.edc.schema
import allocation.notify.schema  # noqa: F401  (likewise)
from allocation.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=False)
with context.begin_transaction():
    context.run_migrations()
