"""Origins, hashes of centre crops, more measures, people, and what a person says."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("asset", sa.Column("crops", sa.Text, nullable=False, server_default=""))
    for name in ("colour", "text", "caption", "screen", "lost"):
        op.add_column("asset", sa.Column(name, sa.Float, nullable=False, server_default="0"))
    op.add_column("location", sa.Column("origin", sa.Text))
    op.add_column("pending", sa.Column("skip", sa.Text))
    op.add_column("pending", sa.Column("origin", sa.Text))
    op.create_table(
        "mark",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("undone", sa.Text),
    )
    op.create_index("mark_sha256", "mark", ["sha256", "kind"])
    op.create_table(
        "face",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("points", sa.Text),
        sa.Column("print", sa.LargeBinary),
        sa.Column("person", sa.Integer),
    )
    op.create_index("face_person", "face", ["person"])
    op.create_table(
        "person",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "glance",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("person", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("batch", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("undone", sa.Text),
    )
