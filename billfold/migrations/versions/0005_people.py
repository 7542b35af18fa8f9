"""roles by type, users by e-mail address; phones for risk verification."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_index('ix_roles_type', 'roles', ['organization_id', 'type', 'id'])
    op.create_index('ix_users_email_begins', 'users', ['organization_id', sa.text('lower(email)'), 'id'])
    op.create_table('risk_phones',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('number', t.BYTES, nullable=False),
    sa.Column('last4', t.TEXT, nullable=False),
    sa.Column('type', t.KEPT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
