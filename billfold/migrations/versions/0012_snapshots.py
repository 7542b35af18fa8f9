"""of which environment a snapshot is."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0012'
down_revision = '0011'


def upgrade() -> None:
    op.add_column('environments', sa.Column('origin', t.TEXT, nullable=True))
