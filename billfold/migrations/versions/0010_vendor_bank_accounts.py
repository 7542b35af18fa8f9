"""vendors' bank accounts in a table of their own, particulars, and what v2 lists by."""

import json
from base64 import b64decode

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0010'
down_revision = '0009'

OWN = ("id", "name_on_account", "last4", "routing_number", "type", "owner_type", "payment_currency")


def upgrade() -> None:
    accounts = op.create_table('vendor_bank_accounts',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('vendor_id', t.TEXT, nullable=False),
    sa.Column('name_on_account', t.TEXT, nullable=False),
    sa.Column('number', t.BYTES, nullable=False),
    sa.Column('last4', t.TEXT, nullable=False),
    sa.Column('country', t.TEXT, nullable=False),
    sa.Column('created_by', t.TEXT, nullable=False),
    sa.Column('archived', t.BOOLEAN, nullable=False),
    sa.Column('routing_number', t.TEXT, nullable=True),
    sa.Column('type', t.KEPT, nullable=True),
    sa.Column('owner_type', t.KEPT, nullable=True),
    sa.Column('payment_currency', t.TEXT, nullable=True),
    sa.Column('regulatory_fields', t.KEPT, nullable=False),
    sa.ForeignKeyConstraint(['vendor_id'], ['vendors.id'], name='fk_vendor_bank_accounts_vendor_id'),
    sa.PrimaryKeyConstraint('id')
    )
    for column in ('archived', 'created_time', 'updated_time', 'vendor_id'):
        op.create_index(f'ix_vendor_bank_accounts_{column}', 'vendor_bank_accounts', ['organization_id', column, 'id'])
    # Added and dropped in place: SQLite's other way loses the indexes over expressions.
    op.add_column('vendors', sa.Column('bank_account_id', t.TEXT, nullable=True))
    for table in ('vendors', 'bills', 'bill_lines'):
        op.add_column(table, sa.Column('particulars', t.KEPT, nullable=True))
    _move(accounts)
    op.drop_column('vendors', 'bank')
    op.create_index('ix_vendors_pay_by_type', 'vendors', ['organization_id', 'pay_by_type', 'id'])
    for column in ('invoice_number', 'invoice_date'):
        op.create_index(f'ix_bills_{column}', 'bills', ['organization_id', column, 'id'])


def _move(accounts: sa.Table) -> None:
    """Each vendor's account, which was a document of the vendor's, with the id it had.

    Nobody knows who added it, nor when: it is said to be the system's, as old as the vendor's last
    change."""
    vendors = sa.table('vendors', *(sa.column(name) for name in (
        'id', 'organization_id', 'created_time', 'updated_time', 'bank', 'address_country',
        'bank_account_id',
    )))
    connection = op.get_bind()
    for row in connection.execute(sa.select(vendors).where(vendors.c.bank.is_not(None))).all():
        bank = json.loads(row.bank)
        connection.execute(accounts.insert(), {name: bank.get(name) for name in OWN} | {
            'organization_id': row.organization_id, 'created_time': row.updated_time,
            'updated_time': row.updated_time, 'vendor_id': row.id,
            'number': b64decode(bank['number']), 'country': row.address_country or 'US',
            'created_by': 'syu01SYSTEMUSER00000', 'archived': False,
            'regulatory_fields': json.dumps(bank.get('regulatory_fields', [])),
        })
        connection.execute(
            vendors.update().where(vendors.c.id == row.id).values(bank_account_id=bank['id'])
        )
