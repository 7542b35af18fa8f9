"""${message}."""

import sqlalchemy as sa
from alembic import op

from billfold.migrations import types as t
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
