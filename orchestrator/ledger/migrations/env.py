"""Alembic's entry: runs on the connection that the ledger hands over."""

from alembic import context

from orchestrator.ledger import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.SQLModel.metadata,
)
with context.begin_transaction():
    context.run_migrations()
