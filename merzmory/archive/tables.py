"""The catalogue's tables, as `catalogue.py` asks them; `migrations/` makes and changes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, Table, Text

HEAD = "0002"  # the newest migration

metadata = MetaData()

asset = Table(
    "asset",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("taken", Text),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("camera", Text),
    Column("phash64", Text, nullable=False),
    Column("phash256", Text, nullable=False),
    Column("blur", Float, nullable=False),
    Column("detail", Float, nullable=False),
    Column("dark", Float, nullable=False),
    Column("light", Float, nullable=False),
    Column("faces", Text, nullable=False),  # JSON list of boxes
    Column("crops", Text, nullable=False),  # hex: hashes of centre crops, see crops.py
    Column("colour", Float, nullable=False),
    Column("text", Float, nullable=False),
    Column("caption", Float, nullable=False),
    Column("screen", Float, nullable=False),
    Column("lost", Float, nullable=False),
    Column("algorithm", Integer, nullable=False),
)

location = Table(
    "location",
    metadata,
    Column("path", LargeBinary, primary_key=True),  # the file system's bytes, whatever they spell
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("sha256", Text),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", Text),  # JSON of records.Origin, where the source says something
    Column("first_seen", Text, nullable=False),
    Column("missing_since", Text),
)

scan = Table(
    "scan",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False),  # of every path, size and time that was found
    Column("shards", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text),
)

pending = Table(
    "pending",
    metadata,
    Column("scan", Integer, primary_key=True),
    Column("path", LargeBinary, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("skip", Text),  # the source's sentence, where it says the file is no photograph
    Column("origin", Text),
)

ruling = Table(
    "ruling",
    metadata,
    Column("id", Text, primary_key=True),  # digest of the thresholds
    Column("settings", Text, nullable=False),  # JSON
    Column("pictures", Text, nullable=False),  # digest of the assets it was made over
    Column("at", Text, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ruling", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("value", Float),
    Column("threshold", Float),
    Column("kept", Text),
    Column("at", Text, nullable=False),
)

mark = Table(  # what a person says of a photograph; appended, the last one not undone speaks
    "mark",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),  # flag, stars, label, date, box, note
    Column("value", Text, nullable=False),  # "" takes it back
    Column("batch", Text, nullable=False),  # marks that were made, and are undone, together
    Column("at", Text, nullable=False),
    Column("undone", Text),
)

face = Table(
    "face",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("box", Text, nullable=False),  # JSON, upright pixels
    Column("points", Text),  # JSON: eyes, nose, corners of the mouth, where the detector finds them
    Column("print", LargeBinary),  # float32, what makes faces alike
    Column("person", Integer),  # as the prints say; what a person says of it is in `consent`
)

glance = Table(  # the pictures in which faces were looked for, and with what
    "glance",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("by", Text, nullable=False),
)

person = Table(
    "person",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Text, nullable=False),
)

consent = Table(  # what is said of a person in the photographs; appended, taken back by batch
    "consent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # name, choice, into, face
    Column("value", Text, nullable=False),
    Column("batch", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("undone", Text),
)
