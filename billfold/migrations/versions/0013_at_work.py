"""what is at work in a lane is counted."""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'


def upgrade() -> None:
    leased = sa.text('leased_until IS NOT NULL')
    op.create_index(
        'ix_agenda_leased', 'agenda', ['parked', 'lane', 'leased_until'],
        sqlite_where=leased, postgresql_where=leased,
    )  # fmt: skip
