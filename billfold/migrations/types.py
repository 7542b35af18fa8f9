"""How values lie in the databases, for migrations: frozen here, so that old revisions never change."""

import sqlalchemy as sa

# "C" makes PostgreSQL sort text as SQLite does.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Enums, decimals and documents.
KEPT = sa.Text()
MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
INTEGER = sa.BigInteger()
BOOLEAN = sa.Boolean()
BYTES = sa.LargeBinary()
DATE = sa.Date()
