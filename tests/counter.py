"""A partner's side of the counter: its session, and what is asked with it."""

from billfold import demo_world
from billfold.access import partners
from billfold.access.users import Login
from tests.desk import START, V3

PARTNER = f"{V3}/partner"
ORGANIZATIONS, USERS, ROLES = f"{PARTNER}/organizations", f"{PARTNER}/users", f"{PARTNER}/roles"
NOW = START.isoformat(timespec="milliseconds")
SIGN_IN = {
    "appKey": demo_world.APPLICATION_KEY, "username": demo_world.PARTNER_USERNAME,
    "password": demo_world.PARTNER_PASSWORD,
}  # fmt: skip
ADDRESS = {
    "line1": "1 Main St", "line2": "Suite 2", "city": "Springfield", "stateOrProvince": "IL",
    "zipOrPostalCode": "62701", "country": "US",
}  # fmt: skip
NOODLES = {
    "name": "Example Noodles LLC", "address": ADDRESS, "phone": "2175550100", "taxId": "111222333",
    "taxIdType": "EIN", "companyOwner": {"name": "Pat Owner", "dateOfBirth": "1980-01-01"},
    "industry": "Restaurant Caterer or Bar", "businessCategory": "LLC", "accountType": "BUSINESS",
    "processingOptions": {"mailingAddressSameAsPhysical": "true"},
}  # fmt: skip
SMALL = {
    "name": "Small",
    "address": {"line1": "2 Elm", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
}
PAT = {
    "firstName": "Pat", "lastName": "Owner", "email": "pat@noodles.example", "username": "pat-1!",
    "acceptTermsOfService": True, "externalReferenceId": "P-77",
}  # fmt: skip
# A second partner, with keys and a person of its own.
OTHERS = {"appKey": "other-app", "username": "otto@other.example", "password": "Other-partner-1"}
OTHERS_DEVELOPER_KEY = "other-dev"


class Counter:
    """A partner's session, and what is asked with it."""

    def __init__(self, desk, session: str, app_key: str = SIGN_IN["appKey"]) -> None:
        self.desk = desk
        self.headers = {"sessionId": session, "appKey": app_key}

    def call(self, method: str, path: str, body=None, *, at: str = "", **options):
        return self.desk.call(method, path, body, headers=self._headers(at), session="", **options)

    def refused(self, method: str, path: str, body=None, *, at: str = "", **options):
        return self.desk.refused(method, path, body, headers=self._headers(at), session="", **options)

    def _headers(self, at: str) -> dict:
        return self.headers | ({"organizationId": at} if at else {})

    def signs_in(self) -> None:
        """Again: the session before has ended."""
        login = self.desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")
        self.headers["sessionId"] = login["sessionId"]

    def makes(self, **more) -> str:
        return self.call("POST", ORGANIZATIONS, SMALL | more, status=201)["id"]

    def adds(self, organization: str, **more) -> dict:
        return self.call("POST", USERS, PAT | more, at=organization, status=201)

    def signs_in_as(self, organization: str, user: str, status: int = 200, **more) -> dict:
        body = {"organizationId": organization, "userId": user, **more}
        return self.call("POST", f"{PARTNER}/login-as-user", body, status=status)


def signed_in(desk) -> Counter:
    return Counter(desk, desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")["sessionId"])


def another_signed_in(desk) -> Counter:
    hashed = desk.runner.run(desk.environment.passwords.hash(OTHERS["password"]))

    def add(work):
        partner = partners.add(work, "Other", OTHERS["appKey"], OTHERS_DEVELOPER_KEY)
        login = work.insert(Login("00601OTHERLOGIN0othe", OTHERS["username"], hashed))
        partners.add_person(work, partner, login)

    desk.writes(add)
    session = desk.call("POST", f"{PARTNER}/login", OTHERS, session="")["sessionId"]
    return Counter(desk, session, OTHERS["appKey"])
