"""The organization's own bank accounts: seen, but with their numbers masked."""

import pytest

from billfold import demo_world
from tests.desk import START, V3

BANKS = f"{V3}/funding-accounts/banks"


@pytest.fixture
def desk(desk):
    desk.signs_in(trusted=False)
    return desk


def test_the_demo_account_is_listed_as_it_is_read(desk):
    (account,) = desk.call("GET", BANKS)["results"]
    assert desk.call("GET", f"{BANKS}/{demo_world.BANK_ACCOUNT_ID}") == account
    times = {"createdTime": account["createdTime"], "updatedTime": account["updatedTime"]}
    assert max(times.values()) <= START.isoformat() or account["createdTime"].endswith("+00:00")
    assert account == times | {
        "id": demo_world.BANK_ACCOUNT_ID, "archived": False, "status": "VERIFIED",
        "createdBy": demo_world.USER_ID, "routingNumber": "322271627", "accountNumber": "*****2333",
        "nameOnAccount": "Demo Company", "type": "CHECKING", "ownerType": "BUSINESS",
        "bankName": "Operating", "accessToAdmins": True,
        "default": {"payables": True, "receivables": False},
        "chartOfAccountId": demo_world.CLASSIFICATIONS["chart_of_account"][0],
    }  # fmt: skip


def test_no_account_is_found_under_another_id(desk):
    for id in ("bac01NOBODYHERE0none", demo_world.VENDOR_ID, "x"):
        assert desk.refused("GET", f"{BANKS}/{id}") == (404, ["BDC_1205"])


def test_an_account_number_never_lies_in_the_clear(sqlite_desk, folder):
    sqlite_desk.signs_in()
    assert "111222333" not in sqlite_desk.answer("GET", BANKS).text
    written = b"".join(path.read_bytes() for path in folder.glob("billfold.db*"))
    assert b"Demo Company" in written and b"111222333" not in written
