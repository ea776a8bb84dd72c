"""The ledger's tables. `table=True` models do not validate: rows are made in `mapping` only."""

from sqlalchemy import CheckConstraint, Column, Text
from sqlmodel import Field, SQLModel

HASH_LENGTH = 64


class EventRow(SQLModel, table=True):
    """One event in its place. Never updated, never deleted; the database refuses both."""

    __tablename__ = "event"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        CheckConstraint("seq >= 1", name="event_seq_from_one"),
        CheckConstraint("length(kind) > 0 AND length(id) > 0", name="event_names"),
        CheckConstraint(
            f"length(hash) = {HASH_LENGTH} AND length(prev_hash) = {HASH_LENGTH}",
            name="event_hashes",
        ),
    )

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    id: str = Field(unique=True)
    at: str
    ward: str | None = Field(default=None, index=True)
    actor_kind: str
    actor_name: str
    plan_hash: str
    code_version: str
    kind: str
    body: str = Field(sa_column=Column(Text, nullable=False))
    prev_hash: str = Field(unique=True)
    hash: str = Field(unique=True)


class AnchorRow(SQLModel, table=True):
    """The end of the chain, kept beside it: a tail that is cut off is missed here."""

    __tablename__ = "anchor"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (CheckConstraint("id = 1", name="anchor_is_one"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int
    hash: str
