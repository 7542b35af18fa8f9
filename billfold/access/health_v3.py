"""Health as the v3 API says it: which program answers."""

from billfold import VERSION
from billfold.door.dialects import WEBHOOKS
from billfold.door.gates import PUBLIC
from billfold.door.operations import Operations
from billfold.door.wire import Wire
from billfold.kit.work import Work

operations = Operations("health")


class Health(Wire):
    app_id: str
    app_env: str
    app_version: str
    bdc_region: str


@operations.get("/connect-events/v3/health", PUBLIC, dialect=WEBHOOKS)
def webhook_get_health_check(work: Work) -> Health:
    """The same for the host of webhooks."""
    return get_health_check(work)


@operations.get("/connect/v3/health", PUBLIC)
def get_health_check(work: Work) -> Health:
    """Which program and version answers; needs no headers."""
    return Health("billfold", work.policy.name, VERSION, "local")
