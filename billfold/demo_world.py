"""The demo world: an organization to try everything with; the same ids and keys on every machine.

Every constant is invented. The README lists them; later areas add their own here. They are the first
environment's; another one's world is alike, with ids, names and keys of its own.
"""

import hashlib
from dataclasses import dataclass
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
from billfold.kit.callers import Caller
from billfold.kit.environment import Environment
from billfold.kit.work import Work
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


@dataclass(frozen=True, slots=True)
class World:
    """A demo world as one environment has it. `name` is that environment's; the first's has none."""

    name: str
    developer_key: str
    application_key: str
    partner_developer_key: str

    def id(self, first: str) -> str:
        """Of an object that the first one's world calls so."""
        return first.replace("DEMO", _letters(self.name), 1) if self.name else first

    def address(self, first: str) -> str:
        """An e-mail address, which is also a user name: ada@demo.example, ada@demo.stage.example."""
        return first.replace(".example", f".{self.name}.example") if self.name else first

    @property
    def caller(self) -> Caller:
        return Caller(self.id(ORGANIZATION_ID), self.id(USER_ID), trusted=True)


FIRST = World("", DEVELOPER_KEY, APPLICATION_KEY, PARTNER_DEVELOPER_KEY)


def world_of(environment: Environment) -> World:
    """The one that an environment began with; keys of another than the first's nobody can guess."""
    assert environment.world is not None, "there is no demo world here"
    name = environment.world
    if not name:
        return FIRST
    mac = environment.secrets.mac
    keys = (
        mac("demo world", f"{name} {kind}".encode()).hex()[:32] for kind in ("dev", "app", "partner")
    )
    return World(name, *keys)


def _letters(name: str) -> str:
    """Four capitals in the place of DEMO, for ids that are no other environment's."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    letters = []
    for _ in "DEMO":
        number, letter = divmod(number, 26)
        letters.append(chr(ord("A") + letter))
    return "".join(letters)


def username(role: RoleType) -> str:
    return USERNAME if role is RoleType.ADMINISTRATOR else f"{OTHERS[role][0].lower()}@demo.example"


def user_id(role: RoleType) -> str:
    """The administrator's, or one made of the role's name: 00601DEMOACCOUNT0demo."""
    if role is RoleType.ADMINISTRATOR:
        return USER_ID
    return f"00601DEMO{role[:7]:0<7}demo"


async def ensure(environment: Environment) -> None:
    """Fill an empty sandbox; does nothing where the demo organization is already."""
    world = world_of(environment)

    def is_made(work: Work) -> bool:
        return work.connection.first(Organization, id=world.id(ORGANIZATION_ID)) is not None

    if await environment.read(is_made):
        return
    hashes = await password_hashes(environment)
    await environment.write(lambda work: fill(work, world, *hashes), world.caller)


async def password_hashes(environment: Environment) -> tuple[str, str]:
    """Of the demo company's people and of the partner's."""
    hash = environment.passwords.hash
    return await hash(PASSWORD), await hash(PARTNER_PASSWORD)


def fill(work: Work, world: World, password_hash: str, partner_password_hash: str) -> None:
    id = world.id
    organization = Organization(
        id(ORGANIZATION_ID), "Demo Company", work.now, work.now,
        address=Address("1 Demo Way", "Floor 2", "Oakland", "CA", "94607", "US"),
        mailing_is_physical=True, phone="4155550142", owner=Owner("Ada Payer", date(1980, 2, 29)),
        tax_id=work.secrets.seal("112223333", id(ORGANIZATION_ID)), tax_id_type=TaxIdType.EIN,
        industry="Musical Instruments and Supplies", business_category="LLC",
        account_type=OrganizationType.BUSINESS,
    )  # fmt: skip
    if not work.connection.insert_new(organization):
        return
    roles.add_defaults(work)
    keys.add_developer_key(work, world.developer_key, organization_id=id(ORGANIZATION_ID))
    _add_user(work, world, RoleType.ADMINISTRATOR, "Ada", "Payer", PHONE, password_hash, LOGIN_ID)
    for role, (first, last, phone) in OTHERS.items():
        login_id = f"00601DEMOL{role[:6]:0<6}demo"
        _add_user(work, world, role, first, last, phone, password_hash, login_id)
    partner = partners.add(
        work, "Demo Partner", world.application_key, world.partner_developer_key, id=id(PARTNER_ID)
    )
    name = world.address(PARTNER_USERNAME)
    person = work.insert(Login(id(PARTNER_LOGIN_ID), name, partner_password_hash))
    partners.add_person(work, partner, person)
    verifications.vouch(work)
    _add_statement(work, id(STATEMENT_ID))
    _fill_books(work, world)


def _add_statement(work: Work, id: str) -> None:
    """What the month before would have cost, to have one to look at."""
    last = work.today.replace(day=1) - timedelta(days=1)
    charges = [
        Charge(5, "Users", "user", 49_00 * 5), Charge(12, "ACH payments", "payment", 59 * 12),
        Charge(3, "Checks", "payment", 199 * 3),
    ]  # fmt: skip
    work.add(
        BillingStatement, id=id, amount_cents=sum(each.amount_cents for each in charges),
        period_start=last.replace(day=1), period_end=last, description=f"Billfold, {last:%B %Y}",
        invoice_date=last + timedelta(days=1), invoice_number=f"BF-{last:%Y%m}-1",
        payment_status=PaymentStatus.PAID, payment_date=last + timedelta(days=2), charges=charges,
    )  # fmt: skip


def _add_user(
    work: Work, world: World, role: RoleType, first: str, last: str, phone: str, password_hash: str,
    login_id: str,
) -> None:  # fmt: skip
    name, id, login_id = world.address(username(role)), world.id(user_id(role)), world.id(login_id)
    work.insert(Login(login_id, name, password_hash))
    work.add(
        User, id=id, login_id=login_id, first_name=first, last_name=last, email=name,
        role_id=roles.role_id(world.id(ORGANIZATION_ID), role), terms_accepted_time=work.now,
    )  # fmt: skip
    mfa.add_phone(work, id, phone, Channel.TEXT)


def add_account(
    work: Work, user_id: str, owner: str, id: str, chart_of_account_id: str | None = None
) -> None:
    """A verified bank account, from which a sandbox's organization pays."""
    work.add(
        BankAccount, id=id, name_on_account=owner, bank_name="Operating", routing_number="322271627",
        number=work.secrets.seal("111222333", id), last4="2333", type=AccountType.CHECKING,
        owner_type=OwnerType.BUSINESS, status=Status.VERIFIED, created_by=user_id,
        access_to_admins=True, default_payables=True, chart_of_account_id=chart_of_account_id,
    )  # fmt: skip


def _fill_books(work: Work, world: World) -> None:
    bank_id = world.id(VENDOR_BANK_ID)
    chart_of_account_id = world.id(CLASSIFICATIONS["chart_of_account"][0])
    add_account(work, world.id(USER_ID), "Demo Company", world.id(BANK_ACCOUNT_ID), chart_of_account_id)
    for kind, (id, name) in CLASSIFICATIONS.items():
        work.add(Classification, id=world.id(id), kind=kind, name=name)
    work.add(PaymentTerm, id=world.id(PAYMENT_TERM_ID), name="Net 30", days_due=30)
    work.add(
        Vendor, id=world.id(VENDOR_ID), name="Juniper Supply", account_type=VendorType.BUSINESS,
        email="ap@juniper.example", address_line1="12 Oak St", address_city="Reno",
        address_state="NV", address_zip="89501", address_country="US",
        address_country_name="United States", payee_name="Juniper Supply",
        combine_payments=True, pay_by_type=PayByType.ACH, bank_account_id=bank_id,
    )  # fmt: skip
    work.add(
        VendorBankAccount, id=bank_id, vendor_id=world.id(VENDOR_ID), name_on_account="Juniper Supply",
        number=work.secrets.seal("987654321", bank_id), last4="4321", country="US",
        created_by=world.id(USER_ID), routing_number="322271627", type=AccountType.CHECKING,
        owner_type=OwnerType.BUSINESS,
    )  # fmt: skip
