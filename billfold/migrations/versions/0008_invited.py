"""users whose invitation is open."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    # Added in place: SQLite's other way copies the table, and loses the index over an expression.
    op.add_column(
        'users', sa.Column('invited', t.BOOLEAN, nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE users SET invited = true WHERE id IN (SELECT user_id FROM invitations)")
