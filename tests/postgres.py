"""The PostgreSQL database of a test: a copy of one that was furnished once. It is put back as it was
where only rows were changed, because to make it takes longer than most tests."""

import time

import psycopg
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

# All rows of a table that has not grown beyond are deleted; a larger one is made anew.
SMALL_BYTES_MAX = 1 << 16
GONE_SECONDS_MAX = 5

TABLES = """
    SELECT relname, pg_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
ROWS = """
    SELECT format('INSERT INTO %1$I SELECT * FROM json_populate_recordset(NULL::%1$I, %2$L)',
        '{table}', json_agg(each)) FROM {table} each HAVING count(*) > 0
"""
# What is no rows, as far as tests change it: tables and who may use them, columns, triggers, functions,
# statistics, settings.
SHAPE = """
    WITH made AS (SELECT oid, relkind, relacl FROM pg_class WHERE oid >= 16384), changed AS (
        SELECT xmin, attrelid FROM pg_attribute WHERE attrelid >= 16384
        UNION ALL SELECT xmin, oid FROM pg_trigger UNION ALL SELECT xmin, oid FROM pg_constraint
        UNION ALL SELECT xmin, oid FROM pg_proc UNION ALL SELECT xmin, oid FROM pg_namespace
        UNION ALL SELECT xmin, starelid FROM pg_statistic WHERE starelid >= 16384
    )
    SELECT (SELECT sum(hashtextextended(made::text, 0)) FROM made),
        (SELECT sum(hashtextextended(changed::text, 0)) FROM changed),
        (SELECT array_agg(setconfig) FROM pg_db_role_setting),
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
"""
# Whatever row refers to which.
AS_THEY_COME = "SET LOCAL session_replication_role = replica"
BESIDE = "SELECT datname FROM pg_database WHERE datname LIKE %s"
OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Copy:
    """It is asked by connections that are kept, because one costs as much as all that it is asked."""

    def __init__(self, server: str, template: str, name: str) -> None:
        self.template, self.name, self.url = template, name, database_of(server, name)
        with psycopg.connect(database_of(server, template)) as connection:
            tables = [table for table, _ in connection.execute(TABLES)]
            found = [connection.execute(ROWS.format(table=table)).fetchone() for table in tables]
        self._rows = [each for (each,) in filter(None, found)]
        self._server = psycopg.connect(server, autocommit=True)
        self._inside: psycopg.Connection | None = None
        self._shape: tuple | None = None

    def fresh(self) -> str:
        """Its address, when it is as the template is and nobody uses it."""
        for (name,) in self._server.execute(BESIDE, [f"{self.name}_%"]).fetchall():
            self._server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        if self._inside is None or not self._put_back(self._inside):
            if self._inside:
                self._inside.close()
            self._server.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            made = f"CREATE DATABASE {self.name} TEMPLATE {self.template} STRATEGY FILE_COPY"
            self._server.execute(made)
            self._inside = psycopg.connect(self.url, autocommit=True)
            self._shape = self._inside.execute(SHAPE).fetchone()
        return self.url

    def close(self) -> None:
        self._server.close()
        if self._inside:
            self._inside.close()

    def _put_back(self, inside: psycopg.Connection) -> bool:
        try:
            until = time.monotonic() + GONE_SECONDS_MAX
            while inside.execute(OTHERS).fetchall():
                if time.monotonic() > until:
                    return False
                time.sleep(0.01)
            if inside.execute(SHAPE).fetchone() != self._shape:
                return False
            sizes = inside.execute(TABLES).fetchall()
            large = [table for table, size in sizes if size > SMALL_BYTES_MAX]
            script = [f"TRUNCATE {', '.join(large)} CASCADE"] if large else []
            script += [f"DELETE FROM {table}" for table, _ in sizes if table not in large]
            inside.execute("; ".join([AS_THEY_COME, *script, *self._rows]))
            return True
        except (psycopg.OperationalError, InsufficientPrivilege, ReadOnlySqlTransaction):
            return False


def run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def databases(server: str, name: str) -> list[str]:
    """A database, and those of environments beside it, as far as they are there."""
    with psycopg.connect(server) as connection:
        return [found for (found,) in connection.execute(BESIDE, [f"{name}%"])]


def database_of(server: str, name: str) -> str:
    """Another database of the same server; its address may stand in the query as a path."""
    head, mark, options = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{options}"
