"""risk verifications, and statements of what organizations were charged."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_table('risk_verifications',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('status', t.KEPT, nullable=False),
    sa.Column('reference', t.TEXT, nullable=False),
    sa.Column('requested_by', t.TEXT, nullable=False),
    sa.Column('step', t.INTEGER, nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(
        'ix_risk_verifications_created_time', 'risk_verifications', ['organization_id', 'created_time', 'id']
    )
    # Who could move money before this was asked can do so still.
    op.execute(
        "INSERT INTO risk_verifications (id, organization_id, created_time, updated_time, status,"
        " reference, requested_by, step) SELECT id, id, created_time, updated_time, 'APPROVE', id,"
        " 'syu01SYSTEMUSER00000', 0 FROM organizations"
    )
    op.create_table('billing_statements',
    sa.Column('id', t.TEXT, nullable=False),
    sa.Column('organization_id', t.TEXT, nullable=False),
    sa.Column('created_time', t.MOMENT, nullable=False),
    sa.Column('updated_time', t.MOMENT, nullable=False),
    sa.Column('amount_cents', t.INTEGER, nullable=False),
    sa.Column('period_start', t.DATE, nullable=False),
    sa.Column('period_end', t.DATE, nullable=False),
    sa.Column('description', t.TEXT, nullable=False),
    sa.Column('invoice_date', t.DATE, nullable=False),
    sa.Column('invoice_number', t.TEXT, nullable=False),
    sa.Column('payment_status', t.KEPT, nullable=False),
    sa.Column('charges', t.KEPT, nullable=False),
    sa.Column('payment_date', t.DATE, nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    for name in ('created_time', 'invoice_date'):
        op.create_index(
            f'ix_billing_statements_{name}', 'billing_statements', ['organization_id', name, 'id']
        )
