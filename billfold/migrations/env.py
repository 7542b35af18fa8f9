"""Alembic's entrance: which tables there shall be, and on which database."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

import billfold.app  # noqa: F401 - its imports bring every table
from billfold.kit.tables import Kept, metadata

# Any number: the lock under which PostgreSQL lets one process migrate and others wait.
MIGRATION_LOCK = 8_024_001


def render_item(kind: str, item: object, _: object) -> str | Literal[False]:
    """For a new revision: types by their frozen names."""
    if kind != "type":
        return False
    names = {
        Kept: "KEPT", sa.DateTime: "MOMENT", sa.BigInteger: "INTEGER", sa.Boolean: "BOOLEAN",
        sa.LargeBinary: "BYTES", sa.Date: "DATE", sa.Text: "TEXT",
    }  # fmt: skip
    return next(f"t.{name}" for each, name in names.items() if isinstance(item, each))


def run() -> None:
    url = context.config.attributes["url"]
    place = url.replace("sqlite:", "sqlite:///", 1).replace("postgres://", "postgresql://", 1)
    engine = sa.create_engine(place.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            # One transaction for all revisions: a crash leaves the schema as it was.
            if engine.dialect.name == "sqlite":
                driver: Any = connection.connection.driver_connection
                driver.isolation_level = None
                connection.exec_driver_sql("PRAGMA busy_timeout=10000")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            context.configure(
                connection=connection, target_metadata=metadata, render_as_batch=True,
                transactional_ddl=True, render_item=render_item,
            )  # fmt: skip
            with context.begin_transaction():
                context.run_migrations()
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("COMMIT")
            else:
                connection.commit()
    finally:
        engine.dispose()


run()
