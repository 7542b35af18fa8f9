"""The demo world: an organization to try everything with; the same ids and keys on every machine.

Every constant is invented. The README lists them; later areas add their own here.
"""

from billfold.access import keys, mfa
from billfold.access.messages import Channel
from billfold.access.organizations import Organization
from billfold.access.users import Login, User
from billfold.books.classifications import Classification, PaymentTerm
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit.environment import Environment
from billfold.kit.work import Caller, Work
from billfold.payables.vendors import AccountType as VendorType
from billfold.payables.vendors import PayByType, Vendor, VendorBank

ORGANIZATION_ID = "00801DEMOCOMPANYdemo"
USER_ID = "00601DEMOADMIN00demo"
LOGIN_ID = "00601DEMOLOGIN00demo"
DEVELOPER_KEY = "01DEMODEVELOPERKEY01"
USERNAME = "ada@demo.example"
PASSWORD = "Billfold-demo-1"
# Numbers with 555-01xx numbers are kept for stories.
PHONE = "+14155550142"
BANK_ACCOUNT_ID = "bac01DEMOCHECKINdemo"
VENDOR_ID = "00901DEMOVENDOR0demo"
VENDOR_BANK_ID = "vba01DEMOVENDORBdemo"
# By their kinds: one of each that a bill may be booked under.
CLASSIFICATIONS = {
    "chart_of_account": ("0ca01DEMOACCOUNTdemo", "Office supplies"),
    "accounting_class": ("cls01DEMOACCLASSdemo", "Operations"),
    "department": ("0de01DEMODEPARTMdemo", "Workshop"),
    "employee": ("emp01DEMOEMPLOYEdemo", "Ben Carver"),
    "job": ("job01DEMOJOB0000demo", "Shop fitting"),
    "location": ("loc01DEMOLOCATIOdemo", "Reno"),
    "item": ("0ii01DEMOITEM000demo", "Guitar strings"),
}
PAYMENT_TERM_ID = "00p01DEMONET30DAdemo"


CALLER = Caller(ORGANIZATION_ID, USER_ID, trusted=True)


async def ensure(environment: Environment) -> None:
    """Fill an empty sandbox; does nothing where the demo organization is already."""

    def is_made(work: Work) -> bool:
        return work.connection.first(Organization, id=ORGANIZATION_ID) is not None

    if await environment.read(is_made):
        return
    password_hash = await environment.passwords.hash(PASSWORD)
    await environment.write(lambda work: fill(work, password_hash), CALLER)


def fill(work: Work, password_hash: str) -> None:
    organization = Organization(ORGANIZATION_ID, "Demo Company", work.now, work.now)
    if not work.connection.insert_new(organization):
        return
    keys.add_developer_key(work, DEVELOPER_KEY)
    work.insert(Login(LOGIN_ID, USERNAME, password_hash))
    work.add(User, id=USER_ID, login_id=LOGIN_ID, first_name="Ada", last_name="Payer")
    mfa.add_phone(work, USER_ID, PHONE, Channel.TEXT)
    work.add(
        BankAccount, id=BANK_ACCOUNT_ID, name_on_account="Demo Company", bank_name="Operating",
        routing_number="322271627", number=work.secrets.seal("111222333", BANK_ACCOUNT_ID),
        last4="2333", type=AccountType.CHECKING, owner_type=OwnerType.BUSINESS,
        status=Status.VERIFIED, created_by=USER_ID, access_to_admins=True, default_payables=True,
        chart_of_account_id=CLASSIFICATIONS["chart_of_account"][0],
    )  # fmt: skip
    for kind, (id, name) in CLASSIFICATIONS.items():
        work.add(Classification, id=id, kind=kind, name=name)
    work.add(PaymentTerm, id=PAYMENT_TERM_ID, name="Net 30", days_due=30)
    work.add(
        Vendor, id=VENDOR_ID, name="Juniper Supply", account_type=VendorType.BUSINESS,
        email="ap@juniper.example", address_line1="12 Oak St", address_city="Reno",
        address_state="NV", address_zip="89501", address_country="US",
        address_country_name="United States", payee_name="Juniper Supply",
        combine_payments=True, pay_by_type=PayByType.ACH, bank=VendorBank(
            id=VENDOR_BANK_ID, name_on_account="Juniper Supply",
            number=work.secrets.seal("987654321", VENDOR_BANK_ID), last4="4321",
            routing_number="322271627", type=AccountType.CHECKING,
            owner_type=OwnerType.BUSINESS,
        ),
    )  # fmt: skip
