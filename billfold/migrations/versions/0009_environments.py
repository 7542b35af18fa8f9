"""the list of an installation's environments."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0009'
down_revision = '0008'


def upgrade() -> None:
    op.create_table(
        'environments',
        sa.Column('id', t.TEXT, nullable=False),
        sa.Column('policy', t.TEXT, nullable=False),
        sa.Column('state', t.KEPT, nullable=False),
        sa.Column('created_time', t.MOMENT, nullable=False),
        sa.Column('used_time', t.MOMENT, nullable=False),
        sa.Column('world', t.TEXT, nullable=True),
        sa.Column('ephemeral', t.BOOLEAN, nullable=False),
        sa.Column('sunset_date', t.DATE, nullable=True),
        sa.Column('successor', t.TEXT, nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
