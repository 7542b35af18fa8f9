"""What can go wrong on purpose: one catalog of problems, and Refusal, which raises them.

Codes and statuses are the contract's (`common.yaml`, error_codes); the words are ours and hold the
ones clients look for. A crash is never a Refusal and a Refusal is never a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the catalog: `text` may name what it is about by "{}"."""

    code: str | None
    status: int
    text: str
    category: str = "DOWNSTREAM"

    def say(self, about: str) -> str:
        if "{}" in self.text:
            return self.text.format(about.removesuffix(".") if self.text.endswith("{}.") else about)
        return f"{self.text.rstrip('.')}: {about}" if about else self.text

    def prefixed(self, name: str, about: str = "") -> tuple["Problem", str]:
        """The same, said of one object: its id comes first, where clients look for it."""
        return replace(self, text="{}"), f"{name} : {self.say(about)}"


# Who you are
BAD_CREDENTIALS = Problem("BDC_1101", 401, "The user name or the password is wrong.")
BAD_DEVELOPER_KEY = Problem("BDC_1102", 400, "The developer key is not valid here.")
WRONG_KEY = Problem("BDC_1102", 401, "The {} is not valid here.")
DEVELOPER_KEY_INACTIVE = Problem("BDC_1103", 403, "The developer key is not active.")
SESSION_INVALID = Problem("BDC_1109", 401, "The session is invalid or has ended. Please log in.")
OTHER_PARTNER = Problem("BDC_1106", 403, "The key and what it was used for are of different partners.")
ORGANIZATION_LOCKED = Problem(
    "BDC_1107", 423, "The organization is locked after too many failed sign-ins. Try again later."
)
LOGIN_LOCKED = Problem(
    "BDC_1110", 403, "This login is locked after repeated failures. Try again later."
)
NOT_A_MEMBER = Problem("BDC_1111", 401, "This login is not an active user of the organization.")
BAD_ORGANIZATION = Problem("BDC_1123", 400, "The organization id is invalid.")
NO_PHONE = Problem("BDC_1354", 400, "No phone is set up for two-step sign-in.")
NO_SET_UP = Problem("BDC_1354", 400, "No phone is being set up with this id and type.")
TOKEN_EXPIRED = Problem("BDC_1356", 400, "The token is wrong or has expired.")
TOO_MANY_TOKENS = Problem("BDC_1358", 400, "Too many wrong tokens. Ask for a new challenge.")
UNTRUSTED = Problem("BDC_1361", 403, "Untrusted session. Two-step sign-in (MFA) is required.")

PHONE_IS_SET = Problem(
    "BDC_5324", 400, "Mfa action blocked: a phone is registered, and this session is not trusted."
)
ROLE_MAY_NOT = Problem(None, 403, "The role of this user does not allow this.", "APPLICATION")
ROLE_MAY_NOT_PAY = Problem("BDC_1150", 403, "The user may not do this with the organization's money.")
TOO_MANY_AT_ONCE = Problem("BDC_1322", 422, "Too many requests of the organization at once: at most {}")
RATE_REACHED = Problem("BDC_1144", 422, "The limit is reached: {}")

NOT_HTTPS = Problem(None, 403, "This server is spoken to by https only, through its proxy.", "REQUEST")
CONTROL_TOKEN = Problem(
    None, 401, "From another machine the control API asks for Authorization: Bearer BILLFOLD_CONTROL."
)
LINK_INVALID = Problem(None, 404, "This link was used, is too old, or never was one.", "REQUEST")
FORGED = Problem(
    None, 403, "This did not come from a page of ours, or the page was open too long. Open it again."
)
WRONG_HOST = Problem(
    None, 403, "The server does not go by this name; its setting public_url says which."
)
NO_SUCH_PAGE = Problem(None, 404, "There is no such page here.")
NO_MESSENGER = Problem("BDC_1354", 400, "No way to send messages is set up on this server.")

# What was asked
IN_FLIGHT = Problem(
    None, 429, "A request with this X-Idempotent-Key is being done. Try again later.", "REQUEST"
)
NO_SUCH_API = Problem("BDC_1121", 404, "There is no such API")
NO_LONGER_SERVED = Problem("BDC_1005", 410, "This is no longer served. It goes on at {}")
WRONG_METHOD = Problem("BDC_1121", 405, "There is no such API")
NOT_JSON = Problem("BDC_1122", 400, "The body could not be read as JSON", "REQUEST")
REQUIRED = Problem("BDC_1117", 400, "Required data is missing: {}")
OTHER_ENTITY = Problem("BDC_1118", 400, "The entity in the path and the one in the data differ: {}")
MISSING_PARAMETER = Problem("BDC_1108", 400, "A required parameter is missing: {}")
WRONG_TYPE = Problem("BDC_1124", 400, "The field is of another type: {}", "REQUEST")
INVALID_PARAMETER = Problem("BDC_1129", 400, "Invalid parameter value")
FILTER_FIELD = Problem("BDC_1130", 400, "The list cannot be filtered or sorted by this field")
FILTER_OPERATOR = Problem("BDC_1131", 400, "The operator cannot be used with this field")
INVALID_FIELD = Problem("BDC_1119", 400, "{}")
# Of subscriptions (webhooks.yaml, unknown).
INVALID_SUBSCRIPTION = Problem("BDC_1119", 400, "{}", "REQUEST")
INVALID_VALUE = Problem("BDC_1143", 400, "{}")
MALFORMED = Problem(None, 400, "{}", "REQUEST")
MISSING_HEADER = Problem(None, 400, "{}: must not be blank", "REQUEST")
TOO_LARGE = Problem(None, 413, "The body is larger than {} bytes", "REQUEST")

# What the books say
NOT_FOUND = Problem("BDC_1205", 404, "There is no object with this id")
NO_ENVIRONMENT = Problem(
    None,
    404,
    "There is no environment {}; GET /_control/environments, or `billfold env list`, tells them",
)
NO_SNAPSHOT = Problem(
    None,
    404,
    "There is no snapshot {}; GET /_control/snapshots, or `billfold snapshot list`, tells them",
)
NO_SUCH_REFERENCE = Problem("BDC_1205", 422, "There is no object with this id")
NOT_POSSIBLE = Problem("BDC_1143", 422, "{}")
NOT_VERIFIED = Problem("BDC_1150", 422, "The organization may not move money")
ACCOUNT_CANNOT_PAY = Problem("BDC_1151", 422, "The funding account cannot make online payments")
PROCESS_DATE = Problem("BDC_1152", 422, "Invalid Process Date")
BILL_OVERPAID = Problem("BDC_1159", 422, "The payment exceeds what is due on the bill")
DUPLICATE_INVOICE = Problem("BDC_1171", 422, "Duplicate invoice number")
VENDOR_HAS_ACCOUNT = Problem("BDC_1233", 422, "The vendor is already setup for epayment")
ROLLED_BACK = Problem("BDC_1246", 422, "Rolled back, because another item of the request failed")

# Ourselves
BROKEN = Problem("BDC_1001", 500, "System failure.", "SERVER")
UNAVAILABLE = Problem("BDC_1001", 503, "System failure: nothing was changed, try again.", "SERVER")
IN_DOUBT = Problem(
    "BDC_1001", 503, "System failure: it is not known whether this was done. Look first.", "SERVER"
)


class Refusal(Exception):
    """No, and why: one or more problems, each with what it is about. The first gives the status.

    `after` is a rule that runs in a unit of work of its own before the answer leaves: what must be
    remembered although the request is refused, such as a wrong code that counts.
    """

    def __init__(
        self, problem: Problem, about: str = "", *, after: Callable[[Any], object] | None = None
    ) -> None:
        super().__init__(problem.code, about)
        self.problems: list[tuple[Problem, str]] = [(problem, about)]
        self.after = after

    @classmethod
    def of(cls, problems: list[tuple[Problem, str]]) -> "Refusal":
        refusal = cls(*problems[0])
        refusal.problems = problems
        return refusal

    def inside(self, path: str) -> "Refusal":
        """The same, said of a part of the request: what each is about begins with its place."""
        self.problems = [(problem, f"{path}.{about}") for problem, about in self.problems]
        return self


class Unusable(Exception):
    """The server cannot run like this; says in one sentence what to do."""


class Unavailable(Exception):
    """The database, or this machine, could not do it; nothing happened, and it may be asked again
    (503)."""


class OutOfPatience(Unavailable):
    """It stayed so for as long as an item of the agenda was leased."""


class Conflict(Exception):
    """Rows that contradict others: an id that is taken, a reference to what is not there."""


class InDoubt(Unavailable):
    """The connection was lost while committing: whether it happened is not known (503)."""
