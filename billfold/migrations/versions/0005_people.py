"""roles by type, users by e-mail address."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_index('ix_roles_type', 'roles', ['organization_id', 'type', 'id'])
    op.create_index('ix_users_email_begins', 'users', ['organization_id', sa.text('lower(email)'), 'id'])
