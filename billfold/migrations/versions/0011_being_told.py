"""owners of subscriptions, histories, lanes of the agenda, and what an idempotency key was used for."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0011'
down_revision = '0010'


def upgrade() -> None:
    op.create_table('subscribers',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('level', t.KEPT, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('delivery_attempts',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('delivery_id', t.TEXT, nullable=False),
    sa.Column('url', t.TEXT, nullable=False),
    sa.Column('headers', t.KEPT, nullable=False),
    sa.Column('milliseconds', t.INTEGER, nullable=False),
    sa.Column('status_code', t.INTEGER, nullable=True),
    sa.Column('answer', t.BYTES, nullable=True),
    sa.Column('failure', t.TEXT, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_delivery_attempts_delivery', 'delivery_attempts', ['delivery_id', 'id'])
    op.add_column('idempotency_keys', sa.Column('asked', t.TEXT, nullable=True))
    op.create_index('ix_idempotency_keys_expires', 'idempotency_keys', ['expires', 'id'])
    _add('subscriptions', 'spell', t.INTEGER, '0')
    # Nobody looks for an event by its subject any more: histories are those of subscriptions.
    op.drop_index('ix_events_subject_id', 'events')
    for name in ('source_id', 'subject_id'):
        _add('deliveries', name, t.TEXT, '')
    for name in ('spell', 'round'):
        _add('deliveries', name, t.INTEGER, '0')
    op.execute(
        'UPDATE deliveries SET source_id = organization_id, subject_id = COALESCE('
        '(SELECT subject_id FROM events WHERE events.id = deliveries.event_id), \'\')'
    )
    _add('agenda', 'lane', t.TEXT, '')
    op.create_index('ix_agenda_lane', 'agenda', ['parked', 'lane', 'due', 'id'])
    op.drop_index('ix_deliveries_subscription_id', 'deliveries')
    op.create_index('ix_deliveries_event_id', 'deliveries', ['organization_id', 'event_id', 'id'])
    op.create_index('ix_deliveries_history', 'deliveries', ['subscription_id', 'created_time', 'id'])
    op.create_index('ix_deliveries_subject', 'deliveries', ['subscription_id', 'subject_id', 'created_time', 'id'])


def _add(table: str, name: str, kind: sa.types.TypeEngine, before: str) -> None:
    """A column that is never empty: what is there already has `before`."""
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=before))
