"""roles, keys of several kinds, partners, consoles; who guesses too often."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0004'
down_revision = '0003'

# As each organization has them from its beginning: type, description, end of the id.
ROLES = (
    ('ADMINISTRATOR', 'Administrator', 'admi'), ('ACCOUNTANT', 'Accountant', 'acct'),
    ('APPROVER', 'Approver', 'appr'), ('PAYER', 'Payer', 'paye'), ('CLERK', 'Clerk', 'cler'),
    ('AUDITOR', 'Auditor', 'audi'),
)


def upgrade() -> None:
    op.create_table('partners',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('name', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('shows_name', t.BOOLEAN, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('partner_users',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('partner_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_partner_users_partner', 'partner_users', ['partner_id', 'id'])
    op.create_table('consoles',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('name', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('roles',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('type', t.KEPT, nullable=False),
    sa.Column('description', t.TEXT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    for name in ('created_time', 'updated_time', 'description'):
        op.create_index(f'ix_roles_{name}', 'roles', ['organization_id', name, 'id'])
    op.create_table('keys',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('kind', t.KEPT, nullable=False),
    sa.Column('last4', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('active', t.BOOLEAN, nullable=False),
    sa.Column('mfa_bypass', t.BOOLEAN, nullable=False),
    sa.Column('name', t.TEXT, nullable=True),
    sa.Column('organization_id', t.TEXT, nullable=True),
    sa.Column('partner_id', t.TEXT, nullable=True),
    sa.Column('console_id', t.TEXT, nullable=True),
    sa.Column('user_id', t.TEXT, nullable=True),
    sa.Column('revoked_time', t.MOMENT, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_keys_organization', 'keys', ['organization_id', 'kind', 'id'])
    op.create_index('ix_keys_partner', 'keys', ['partner_id', 'kind', 'id'])
    op.create_table('attempts',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('failures', t.INTEGER, nullable=False),
    sa.Column('forgotten_time', t.MOMENT, nullable=False),
    sa.Column('blocked_until', t.MOMENT, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_attempts_forgotten', 'attempts', ['forgotten_time', 'id'])
    op.create_table('rates',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('count', t.INTEGER, nullable=False),
    sa.Column('expires', t.MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_rates_expires', 'rates', ['expires', 'id'])
    op.create_table('mfa_setups',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('user_id', t.TEXT, nullable=False),
    sa.Column('number', t.BYTES, nullable=False),
    sa.Column('last4', t.TEXT, nullable=False),
    sa.Column('channel', t.KEPT, nullable=False),
    sa.Column('primary', t.BOOLEAN, nullable=False),
    sa.Column('code_mac', t.BYTES, nullable=False),
    sa.Column('expires_time', t.MOMENT, nullable=False),
    sa.Column('attempts', t.INTEGER, nullable=False),
    sa.Column('used', t.BOOLEAN, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_mfa_remembered_user_id', 'mfa_remembered', ['organization_id', 'user_id', 'id'])
    with op.batch_alter_table('clocks') as batch:
        batch.add_column(sa.Column('key_check', t.BYTES, nullable=True))
    _change_organizations()
    _change_people()
    _change_sessions()


def _change_organizations() -> None:
    empty = sa.text("'{}'")
    with op.batch_alter_table('organizations') as batch:
        batch.add_column(sa.Column('archived', t.BOOLEAN, nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column('partner_id', t.TEXT, nullable=True))
        batch.add_column(sa.Column('console_id', t.TEXT, nullable=True))
        batch.add_column(sa.Column('address', t.KEPT, nullable=False, server_default=empty))
        batch.add_column(sa.Column('mailing_address', t.KEPT, nullable=False, server_default=empty))
        batch.add_column(
            sa.Column('mailing_is_physical', t.BOOLEAN, nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column('phone', t.TEXT, nullable=True))
        batch.add_column(sa.Column('owner', t.KEPT, nullable=False, server_default=empty))
        batch.add_column(sa.Column('tax_id', t.BYTES, nullable=True))
        batch.add_column(sa.Column('tax_id_type', t.KEPT, nullable=True))
        batch.add_column(sa.Column('industry', t.TEXT, nullable=True))
        batch.add_column(sa.Column('business_category', t.TEXT, nullable=True))
        batch.add_column(sa.Column('account_type', t.KEPT, nullable=True))
        for name in ('individual_transfer_out', 'individual_transfer_in'):
            batch.add_column(sa.Column(name, t.BOOLEAN, nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column('price_plan', t.TEXT, nullable=True))
    with op.batch_alter_table('organizations') as batch:
        for name in ('archived', 'address', 'mailing_address', 'mailing_is_physical', 'owner',
                     'individual_transfer_out', 'individual_transfer_in'):
            batch.alter_column(name, server_default=None)
        batch.create_foreign_key('fk_organizations_partner_id', 'partners', ['partner_id'], ['id'])
        batch.create_foreign_key('fk_organizations_console_id', 'consoles', ['console_id'], ['id'])
        batch.create_index('ix_organizations_created', ['partner_id', 'created_time', 'id'])
        batch.create_index('ix_organizations_updated', ['partner_id', 'updated_time', 'id'])
        batch.create_index('ix_organizations_name', ['partner_id', 'name', 'id'])
    for type, description, tail in ROLES:
        op.execute(
            "INSERT INTO roles (id, organization_id, created_time, updated_time, type, description)"
            f" SELECT '0po' || substr(id, 4, 13) || '{tail}', id, created_time, created_time,"
            f" '{type}', '{description}' FROM organizations"
        )


def _change_people() -> None:
    op.execute(
        "INSERT INTO keys (id, kind, last4, created_time, active, mfa_bypass)"
        " SELECT id, 'DEVELOPER', last4, (SELECT coalesce(min(created_time),"
        " '2026-11-24T00:00:00.000+00:00') FROM organizations), active, mfa_bypass FROM developer_keys"
    )
    op.drop_table('developer_keys')
    with op.batch_alter_table('users') as batch:
        batch.add_column(sa.Column('email', t.TEXT, nullable=True))
        batch.add_column(sa.Column('role_id', t.TEXT, nullable=True))
        batch.add_column(sa.Column('terms_accepted_time', t.MOMENT, nullable=True))
        batch.add_column(sa.Column('external_reference_id', t.TEXT, nullable=True))
    op.execute(
        "UPDATE users SET role_id = '0po' || substr(organization_id, 4, 13) || 'admi',"
        " email = (SELECT logins.email FROM logins WHERE logins.id = users.login_id)"
    )
    # A new table, because no name was given to what was unique in the old one.
    op.create_table('logins_named',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('name', t.TEXT, nullable=False),
    sa.Column('password_hash', t.TEXT, nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.execute("INSERT INTO logins_named SELECT id, email, password_hash FROM logins")
    op.drop_table('logins')
    op.rename_table('logins_named', 'logins')
    with op.batch_alter_table('users') as batch:
        batch.alter_column('email', nullable=False)
        batch.alter_column('role_id', nullable=False)
        for name in ('created_time', 'updated_time', 'archived', 'first_name', 'last_name', 'role_id'):
            batch.create_index(f'ix_users_{name}', ['organization_id', name, 'id'])


def _change_sessions() -> None:
    # Whoever is signed in signs in again: a session of before has neither kind nor role.
    op.drop_table('sessions')
    op.create_table('sessions',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('key', t.TEXT, nullable=False),
    sa.Column('kind', t.KEPT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('user_id', t.TEXT, nullable=False),
    sa.Column('role', t.KEPT, nullable=False),
    sa.Column('trusted', t.BOOLEAN, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('used_time', t.MOMENT, nullable=False),
    sa.Column('partner_id', t.TEXT, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_sessions_user', 'sessions', ['user_id', 'id'])
    op.create_index('ix_sessions_key', 'sessions', ['key', 'id'])
