"""The entities of accounts payable, each a row."""

from billfold.v2.bills import BILL
from billfold.v2.entities import serve
from billfold.v2.envelope import Calls
from billfold.v2.vendor_bank_accounts import VENDOR_BANK_ACCOUNT
from billfold.v2.vendors import VENDOR

operations = Calls()
for entity in (VENDOR, VENDOR_BANK_ACCOUNT, BILL):
    serve(operations, entity)
