"""Developer keys: which program asks. Only a digest is kept."""

from billfold.kit.errors import BAD_DEVELOPER_KEY, DEVELOPER_KEY_INACTIVE, Refusal
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work


@table("developer_keys")
class DeveloperKey(Record, frozen=True):
    """`id` is the digest of the key; `last4` lets its owner tell one from another."""

    last4: str
    active: bool = True
    # The holder of the key has leave to do without two-step sign-in.
    mfa_bypass: bool = False


def add_developer_key(work: Work, key: str) -> DeveloperKey:
    return work.insert(DeveloperKey(digest(key), key[-4:]))


def recognise(work: Work, key: str) -> DeveloperKey:
    """Raises BDC_1102 for an unknown key and BDC_1103 for one that was switched off."""
    found = work.connection.first(DeveloperKey, id=digest(key))
    if found is None:
        raise Refusal(BAD_DEVELOPER_KEY)
    if not found.active:
        raise Refusal(DEVELOPER_KEY_INACTIVE)
    return found
