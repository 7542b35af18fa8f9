"""Rows straight into a database that is not served yet; its indexes are made anew afterwards."""

from collections.abc import Iterable
from contextlib import closing

import apsw
import psycopg
from psycopg import sql

from bench.databases import Data
from billfold.kit.database import insert_into
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.sqlite import SqliteConnection
from billfold.kit.tables import Record


def pour(data: Data, *tables: tuple[type[Record], Iterable[Record]]) -> None:
    """Each table's rows, in the form in which Billfold itself writes them."""
    (_pour_postgres if data.url else _pour_sqlite)(data, tables)


def _pour_sqlite(data: Data, tables) -> None:
    with closing(apsw.Connection(data.file)) as driver:
        # Nothing here must outlive a crash; a server sets its own modes when it opens the file.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"):
            driver.execute(f"PRAGMA {pragma}")
        compiled = SqliteConnection(driver).compiled
        driver.execute("BEGIN")
        for record, rows in tables:
            table = record.table.name
            made = (
                "SELECT name, sql FROM sqlite_master WHERE type='index' AND tbl_name=? AND sql NOT NULL"
            )
            indexes = {str(name): str(sql) for name, sql in driver.execute(made, (table,))}
            for name in indexes:
                driver.execute(f"DROP INDEX {name}")
            insert = compiled(insert_into(record))
            driver.executemany(insert.text, (insert.ordered(_values(row)) for row in rows))
            for text in indexes.values():
                driver.execute(text)
        driver.execute("COMMIT")


def _pour_postgres(data: Data, tables) -> None:
    with psycopg.connect(data.url, autocommit=True) as driver:
        compiled = PostgresConnection(driver).compiled
        for setting in (
            "session_replication_role=replica",  # Foreign keys are not looked at.
            "maintenance_work_mem='256MB'",
            "synchronous_commit=off",
        ):
            driver.execute(f"SET {setting}".encode())
        for record, rows in tables:
            table = record.table.name
            indexes = driver.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename=%s"
                " AND indexdef NOT LIKE 'CREATE UNIQUE %%'",
                (table,),
            ).fetchall()
            for name, _ in indexes:
                driver.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            insert = compiled(insert_into(record))
            names = sql.SQL(",").join(map(sql.Identifier, record.__struct_fields__))
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with driver.cursor() as cursor, cursor.copy(into) as copy:
                for row in rows:
                    copy.write_row(insert.ordered(_values(row)))
            for _, made in indexes:
                driver.execute(made.encode())
            # What a server that has run for a while has done by itself.
            driver.execute(f"VACUUM ANALYZE {table}".encode())


def _values(row: Record) -> list:
    return [getattr(row, name) for name in row.__struct_fields__]
