"""real messages on their way, authenticators, invitations, password resets, sign-ups."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    op.create_table('outgoing_messages',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('letter', t.BYTES, nullable=False),
    sa.Column('good_until', t.MOMENT, nullable=False),
    sa.Column('attempts', t.INTEGER, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('authenticators',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('user_id', t.TEXT, nullable=False),
    sa.Column('secret', t.BYTES, nullable=False),
    sa.Column('confirmed', t.BOOLEAN, nullable=False),
    sa.Column('last_step', t.INTEGER, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_authenticators_user_id', 'authenticators', ['organization_id', 'user_id', 'id'])
    op.create_table('invitations',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('user_id', t.TEXT, nullable=False),
    sa.Column('expires_time', t.MOMENT, nullable=False),
    sa.Column('secret', t.BYTES, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_invitations_user_id', 'invitations', ['organization_id', 'user_id', 'id'])
    op.create_table('password_resets',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('login_id', t.TEXT, nullable=False),
    sa.Column('expires_time', t.MOMENT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_password_resets_login', 'password_resets', ['login_id', 'id'])
    op.create_table('sign_ups',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('vetted', t.BYTES, nullable=False),
    sa.Column('secret', t.BYTES, nullable=True),
    sa.Column('mail_mac', t.BYTES, nullable=False),
    sa.Column('code_mac', t.BYTES, nullable=False),
    sa.Column('expires_time', t.MOMENT, nullable=False),
    sa.Column('attempts', t.INTEGER, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_sign_ups_expires', 'sign_ups', ['expires_time', 'id'])
