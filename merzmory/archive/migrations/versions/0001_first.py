"""The first catalogue: assets, locations, scans, rulings and decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "asset",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken", sa.Text),
        sa.Column("latitude", sa.Float),
        sa.Column("longitude", sa.Float),
        sa.Column("camera", sa.Text),
        sa.Column("phash64", sa.Text, nullable=False),
        sa.Column("phash256", sa.Text, nullable=False),
        sa.Column("blur", sa.Float, nullable=False),
        sa.Column("detail", sa.Float, nullable=False),
        sa.Column("dark", sa.Float, nullable=False),
        sa.Column("light", sa.Float, nullable=False),
        sa.Column("faces", sa.Text, nullable=False),
        sa.Column("algorithm", sa.Integer, nullable=False),
    )
    op.create_table(
        "location",
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("missing_since", sa.Text),
    )
    op.create_index("location_sha256", "location", ["sha256"])
    op.create_table(
        "scan",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("shards", sa.Integer, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("finished", sa.Text),
    )
    op.create_table(
        "pending",
        sa.Column("scan", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("shard", sa.Integer, nullable=False),
    )
    op.create_index("pending_shard", "pending", ["scan", "shard"])
    op.create_table(
        "ruling",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("pictures", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ruling", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("threshold", sa.Float),
        sa.Column("kept", sa.Text),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("decision_ruling", "decision", ["ruling", "sha256"])
