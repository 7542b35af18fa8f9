"""The demo world: an organization to try everything with; the same ids and keys on every machine.

Every constant is invented. The README lists them; later areas add their own here.
"""

from datetime import date, timedelta

from billfold.access import keys, mfa, partners, roles, verifications
from billfold.access.billing import BillingStatement, Charge, PaymentStatus
from billfold.access.messages import Channel
from billfold.access.organizations import AccountType as OrganizationType
from billfold.access.organizations import Address, Organization, Owner, TaxIdType
from billfold.access.roles import RoleType
from billfold.access.users import Login, User
from billfold.books.classifications import Classification, PaymentTerm
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit.environment import Environment
from billfold.kit.work import Caller, Work
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import AccountType as VendorType
from billfold.payables.vendors import PayByType, Vendor

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
# One user of each role that an organization begins with, beside the administrator: name, telephone.
OTHERS = {
    RoleType.ACCOUNTANT: ("Ben", "Books", "+14155550143"),
    RoleType.APPROVER: ("Cleo", "Checker", "+14155550144"),
    RoleType.PAYER: ("Dora", "Disburser", "+14155550145"),
    RoleType.CLERK: ("Emil", "Entry", "+14155550146"),
    RoleType.AUDITOR: ("Fay", "Figures", "+14155550147"),
}
STATEMENT_ID = "bst01DEMOSTATEMEdemo"
PARTNER_ID = "prt01DEMOPARTNERdemo"
PARTNER_LOGIN_ID = "00601DEMOPARTLOGdemo"
PARTNER_USERNAME = "pia@partner.example"
PARTNER_PASSWORD = "Billfold-demo-2"
APPLICATION_KEY = "01DEMOAPPLICATIONKEY"
# The partner's own: it opens the partner's organizations, and of those the demo company is none.
PARTNER_DEVELOPER_KEY = "01DEMOPARTNERDEVKEY1"
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


def username(role: RoleType) -> str:
    return USERNAME if role is RoleType.ADMINISTRATOR else f"{OTHERS[role][0].lower()}@demo.example"


def user_id(role: RoleType) -> str:
    """The administrator's, or one made of the role's name: 00601DEMOACCOUNT0demo."""
    if role is RoleType.ADMINISTRATOR:
        return USER_ID
    return f"00601DEMO{role[:7]:0<7}demo"


async def ensure(environment: Environment) -> None:
    """Fill an empty sandbox; does nothing where the demo organization is already."""

    def is_made(work: Work) -> bool:
        return work.connection.first(Organization, id=ORGANIZATION_ID) is not None

    if await environment.read(is_made):
        return
    hashes = await password_hashes(environment)
    await environment.write(lambda work: fill(work, *hashes), CALLER)


async def password_hashes(environment: Environment) -> tuple[str, str]:
    """Of the demo company's people and of the partner's."""
    hash = environment.passwords.hash
    return await hash(PASSWORD), await hash(PARTNER_PASSWORD)


def fill(work: Work, password_hash: str, partner_password_hash: str) -> None:
    organization = Organization(
        ORGANIZATION_ID, "Demo Company", work.now, work.now,
        address=Address("1 Demo Way", "Floor 2", "Oakland", "CA", "94607", "US"),
        mailing_is_physical=True, phone="4155550142", owner=Owner("Ada Payer", date(1980, 2, 29)),
        tax_id=work.secrets.seal("112223333", ORGANIZATION_ID), tax_id_type=TaxIdType.EIN,
        industry="Musical Instruments and Supplies", business_category="LLC",
        account_type=OrganizationType.BUSINESS,
    )  # fmt: skip
    if not work.connection.insert_new(organization):
        return
    roles.add_defaults(work)
    keys.add_developer_key(work, DEVELOPER_KEY, organization_id=ORGANIZATION_ID)
    _add_user(work, RoleType.ADMINISTRATOR, "Ada", "Payer", PHONE, password_hash, LOGIN_ID)
    for role, (first, last, phone) in OTHERS.items():
        login_id = f"00601DEMOL{role[:6]:0<6}demo"
        _add_user(work, role, first, last, phone, password_hash, login_id)
    partner = partners.add(work, "Demo Partner", APPLICATION_KEY, PARTNER_DEVELOPER_KEY, id=PARTNER_ID)
    person = work.insert(Login(PARTNER_LOGIN_ID, PARTNER_USERNAME, partner_password_hash))
    partners.add_person(work, partner, person)
    verifications.vouch(work)
    _add_statement(work)
    _fill_books(work)


def _add_statement(work: Work) -> None:
    """What the month before would have cost, to have one to look at."""
    last = work.today.replace(day=1) - timedelta(days=1)
    charges = [
        Charge(5, "Users", "user", 49_00 * 5), Charge(12, "ACH payments", "payment", 59 * 12),
        Charge(3, "Checks", "payment", 199 * 3),
    ]  # fmt: skip
    work.add(
        BillingStatement, id=STATEMENT_ID, amount_cents=sum(each.amount_cents for each in charges),
        period_start=last.replace(day=1), period_end=last, description=f"Billfold, {last:%B %Y}",
        invoice_date=last + timedelta(days=1), invoice_number=f"BF-{last:%Y%m}-1",
        payment_status=PaymentStatus.PAID, payment_date=last + timedelta(days=2), charges=charges,
    )  # fmt: skip


def _add_user(
    work: Work, role: RoleType, first: str, last: str, phone: str, password_hash: str, login_id: str
) -> None:
    name, id = username(role), user_id(role)
    work.insert(Login(login_id, name, password_hash))
    work.add(
        User, id=id, login_id=login_id, first_name=first, last_name=last, email=name,
        role_id=roles.role_id(ORGANIZATION_ID, role), terms_accepted_time=work.now,
    )  # fmt: skip
    mfa.add_phone(work, id, phone, Channel.TEXT)


def _fill_books(work: Work) -> None:
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
        combine_payments=True, pay_by_type=PayByType.ACH, bank_account_id=VENDOR_BANK_ID,
    )  # fmt: skip
    work.add(
        VendorBankAccount, id=VENDOR_BANK_ID, vendor_id=VENDOR_ID, name_on_account="Juniper Supply",
        number=work.secrets.seal("987654321", VENDOR_BANK_ID), last4="4321", country="US",
        created_by=USER_ID, routing_number="322271627", type=AccountType.CHECKING,
        owner_type=OwnerType.BUSINESS,
    )  # fmt: skip
