"""The classes are the schema: Alembic finds nothing to do, and no database is served as it is not."""

import re
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from billfold import demo_world, migrations
from billfold.kit.errors import Unusable
from billfold.kit.tables import metadata
from tests.desk import V3
from tests.postgres import run_sql

FIRST = migrations.REVISIONS[0]


def differences(url: str, wanted: sa.MetaData) -> list:
    """Read by SQLAlchemy's own drivers, where ours has let go of the file.

    Indexes over expressions are compared on PostgreSQL; of SQLite's it cannot read them."""
    place = url.replace("sqlite:", "sqlite:///").replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(place)
    try:
        with engine.connect() as connection, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based")
            warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression")
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return compare_metadata(context, wanted)
    finally:
        engine.dispose()


def set_revision(url: str, revision: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{revision}'"
    if url.startswith("postgresql:"):
        run_sql(url, statement)
        return
    engine = sa.create_engine(url.replace("sqlite:", "sqlite:///"))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_after_migration_nothing_differs_until_a_class_changes(empty_database_url):
    migrations.migrate(empty_database_url)
    assert differences(empty_database_url, metadata) == []
    wanted = sa.MetaData()
    for each in metadata.sorted_tables:
        each.to_metadata(wanted)
    wanted.tables["vendors"].append_column(sa.Column("website", sa.Text()))
    ((what, _, table, column),) = differences(empty_database_url, wanted)
    assert (what, table, column.name) == ("add_column", "vendors", "website")


def test_revisions_follow_each_other_and_are_named_by_their_files():
    texts = [path.read_text() for path in sorted(migrations.VERSIONS.glob("[0-9]*.py"))]
    told = [re.search(r"^revision\b.*= .(\w+)\W", text, re.MULTILINE) for text in texts]
    assert [match and match[1] for match in told] == migrations.REVISIONS
    before = [
        re.search(r"^down_revision\b.*= (?:\W(\w+)\W|None)", text, re.MULTILINE) for text in texts
    ]
    assert [match and match[1] for match in before] == [None, *migrations.REVISIONS[:-1]]


def test_a_new_database_is_made_and_then_left_alone(empty_database_url):
    assert migrations.revision(empty_database_url) is None
    assert migrations.prepare(empty_database_url) == ""
    assert migrations.revision(empty_database_url) == migrations.HEAD
    assert migrations.prepare(empty_database_url) == ""


def test_migrating_again_changes_nothing(empty_database_url):
    migrations.migrate(empty_database_url)
    migrations.migrate(empty_database_url)
    assert differences(empty_database_url, metadata) == []


def test_an_older_sqlite_database_is_copied_beside_itself_and_migrated(tmp_path):
    path = tmp_path / "old.db"
    url = f"sqlite:{path}"
    migrations.migrate(url, FIRST)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO developer_keys VALUES ('mine', 'last', 1, 0)")
    engine.dispose()
    said = migrations.prepare(url)
    (copy,) = (each for each in tmp_path.iterdir() if each.name.startswith("old.db.before"))
    assert str(copy) in said and f"from schema {FIRST} to {migrations.HEAD}" in said
    assert copy.stat().st_mode & 0o077 == 0
    assert migrations.revision(f"sqlite:{copy}") == FIRST
    assert migrations.revision(url) == migrations.HEAD and differences(url, metadata) == []
    for each, name in ((path, "keys"), (copy, "developer_keys")):
        engine = sa.create_engine(f"sqlite:///{each}")
        with engine.connect() as connection:
            kept = connection.exec_driver_sql(f"SELECT id FROM {name}").fetchall()
        engine.dispose()
        assert kept == [("mine",)]


def test_an_older_postgresql_is_left_to_its_owner(copied_postgres_url):
    set_revision(copied_postgres_url, FIRST)
    with pytest.raises(Unusable, match="`billfold migrate`"):
        migrations.prepare(copied_postgres_url)
    assert migrations.revision(copied_postgres_url) == FIRST


def test_an_older_database_comes_to_the_newest_by_hand(empty_database_url):
    migrations.migrate(empty_database_url, FIRST)
    assert migrations.revision(empty_database_url) == FIRST
    migrations.migrate(empty_database_url)
    assert differences(empty_database_url, metadata) == []


def test_what_was_a_document_of_a_vendor_becomes_its_bank_account(empty_database_url):
    """Under the id it had, because its number is sealed under that."""
    migrations.migrate(empty_database_url, "0008")
    place = empty_database_url.replace("sqlite:", "sqlite:///")
    engine = sa.create_engine(place.replace("postgresql://", "postgresql+psycopg://"))
    moment, bank = "2027-01-04T17:00:00.000+00:00", (
        '{"id":"vba1","name_on_account":"Acme","number":"AAEC","last4":"0033","type":"SAVINGS",'
        '"regulatory_fields":[{"name":"purpose","value":"goods"}]}'
    )  # fmt: skip
    insert = sa.text(
        "INSERT INTO vendors (id, organization_id, created_time, updated_time, name, archived,"
        " account_type, pay_by_type, track_1099, combine_payments, bill_currency, network_status,"
        " balance_cents, bank) VALUES (:id, 'mine', :moment, :moment, 'Acme', false, 'NONE', 'ACH',"
        " false, false, 'USD', 'NOT_CONNECTED', 0, :bank)"
    )
    with engine.begin() as connection:
        for id, kept in (("v1", bank), ("v2", None)):
            connection.execute(insert, {"id": id, "moment": moment, "bank": kept})
    migrations.migrate(empty_database_url)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT id, bank_account_id FROM vendors ORDER BY id").all()
        (row,) = connection.exec_driver_sql(
            "SELECT id, vendor_id, organization_id, number, last4, type, country, archived,"
            " regulatory_fields FROM vendor_bank_accounts"
        ).all()
    engine.dispose()
    assert found == [("v1", "vba1"), ("v2", None)]
    assert [bytes(each) if isinstance(each, memoryview) else each for each in row] == [
        "vba1", "v1", "mine", b"\0\1\2", "0033", "SAVINGS", "US", False,
        '[{"name": "purpose", "value": "goods"}]',
    ]  # fmt: skip


def test_a_newer_database_is_refused_and_left_as_it_is(database_url):
    set_revision(database_url, "9999")
    with pytest.raises(Unusable, match="newer"):
        migrations.prepare(database_url)
    assert migrations.revision(database_url) == "9999"
    if database_url.startswith("sqlite:"):
        folder = Path(database_url.removeprefix("sqlite:")).parent
        assert not [each for each in folder.iterdir() if "before" in each.name]


def test_what_was_prepared_is_served(folder, open_desk):
    url = f"sqlite:{folder / 'billfold.db'}"
    migrations.prepare(url)
    desk = open_desk(url)
    desk.signs_in()
    assert desk.call("GET", f"{V3}/vendors/{demo_world.VENDOR_ID}")["name"] == "Juniper Supply"
