"""What v2 says of the server itself: its time, and what can go wrong."""

from billfold.access.roles import Permission
from billfold.door.gates import PUBLIC, SIGNED_IN
from billfold.kit.work import Work
from billfold.v2.envelope import BASE, Calls, Data, Failure, stamp
from billfold.v2.words import catalogue

operations = Calls()

CATALOGUE = [Failure(code, text) for code, text in catalogue().items()]


class TimeView(Data):
    current_time: str


@operations.call("CurrentTime", SIGNED_IN, may=Permission.SIGNED_IN, reads=True)
def current_time(work: Work) -> TimeView:
    """The environment's time, in UTC."""
    return TimeView(stamp(work.now))


@operations.get(f"{BASE}/Errors.json", PUBLIC)
@operations.call("Errors", PUBLIC, reads=True)
def list_errors(work: Work) -> list[Failure]:
    """Every code of this server with its text, for v2 and v3 alike."""
    return CATALOGUE
