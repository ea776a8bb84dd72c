"""The event chain, its anchor, and the database's own refusal to change them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_GUARDS = (
    """CREATE TRIGGER event_no_update BEFORE UPDATE ON event
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER event_no_delete BEFORE DELETE ON event
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER event_in_order BEFORE INSERT ON event
       WHEN NEW.seq <> (SELECT seq + 1 FROM anchor) OR NEW.prev_hash <> (SELECT hash FROM anchor)
       BEGIN SELECT RAISE(ABORT, 'the event does not follow the last one'); END""",
    """CREATE TRIGGER anchor_no_delete BEFORE DELETE ON anchor
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER anchor_forward BEFORE UPDATE ON anchor
       WHEN NEW.seq <> OLD.seq + 1
         OR NEW.hash <> (SELECT hash FROM event WHERE seq = NEW.seq)
       BEGIN SELECT RAISE(ABORT, 'the anchor only moves forward'); END""",
)
POSTGRES_GUARDS = (
    """CREATE FUNCTION ledger_refuses() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
    """CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event
       FOR EACH ROW EXECUTE FUNCTION ledger_refuses()""",
    """CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()""",
    """CREATE FUNCTION ledger_follows() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM anchor
                           WHERE seq + 1 = NEW.seq AND hash = NEW.prev_hash) THEN
              RAISE EXCEPTION 'the event does not follow the last one';
            END IF;
            RETURN NEW;
          END $$""",
    """CREATE TRIGGER event_in_order BEFORE INSERT ON event
       FOR EACH ROW EXECUTE FUNCTION ledger_follows()""",
    """CREATE FUNCTION anchor_follows() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN
            IF NEW.seq <> OLD.seq + 1 OR NOT EXISTS
               (SELECT 1 FROM event WHERE seq = NEW.seq AND hash = NEW.hash) THEN
              RAISE EXCEPTION 'the anchor only moves forward';
            END IF;
            RETURN NEW;
          END $$""",
    """CREATE TRIGGER anchor_forward BEFORE UPDATE ON anchor
       FOR EACH ROW EXECUTE FUNCTION anchor_follows()""",
    """CREATE TRIGGER anchor_no_delete BEFORE DELETE ON anchor
       FOR EACH ROW EXECUTE FUNCTION ledger_refuses()""",
    """CREATE TRIGGER anchor_no_truncate BEFORE TRUNCATE ON anchor
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()""",
)


def upgrade() -> None:
    """Make the tables, set the anchor at the beginning, and let the database guard them."""
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("ward", sa.String, index=True),
        sa.Column("actor_kind", sa.String, nullable=False),
        sa.Column("actor_name", sa.String, nullable=False),
        sa.Column("plan_hash", sa.String, nullable=False),
        sa.Column("code_version", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String, nullable=False, unique=True),
        sa.Column("hash", sa.String, nullable=False, unique=True),
        sa.CheckConstraint("seq >= 1", name="event_seq_from_one"),
        sa.CheckConstraint("length(kind) > 0 AND length(id) > 0", name="event_names"),
        sa.CheckConstraint("length(hash) = 64 AND length(prev_hash) = 64", name="event_hashes"),
    )
    anchor = op.create_table(
        "anchor",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.CheckConstraint("id = 1", name="anchor_is_one"),
    )
    op.bulk_insert(anchor, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for guard in SQLITE_GUARDS if is_sqlite else POSTGRES_GUARDS:
        op.execute(guard)
