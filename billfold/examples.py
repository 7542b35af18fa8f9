"""What the examples of the reference are about: the demo world, and what they themselves make in it.

A text that begins with a dollar stands for a variable of the reader's shell.
"""

from billfold import demo_world
from billfold.access import roles
from billfold.access.roles import RoleType
from billfold.door.examples import Examples

FUNDING = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
DEVICE = "My laptop"

EXAMPLES = Examples(
    known={
        "DEVKEY": demo_world.DEVELOPER_KEY,
        "APPKEY": demo_world.APPLICATION_KEY,
    },
    made={
        "SESSION": ("login", "sessionId"),
        "CHALLENGE": ("generateChallenge", "challengeId"),
        "SETUP": ("setup", "setupId"),
        "CODE": ("listMessages", "results", -1, "code"),
        "REMEMBER_ME": ("validateChallenge", "rememberMeId"),
        "VENDOR": ("createVendor", "id"),
        "BILL": ("createBill", "id"),
        "PAYMENT": ("createPayment", "id"),
        "SUBSCRIPTION": ("createSubscription", "id"),
        "EVENT": ("sendTestEvent", "id"),
        "ENVIRONMENT": ("createEnvironment", "name"),
        "SNAPSHOT": ("saveSnapshot", "name"),
        "PARTNER_SESSION": ("partnerLogin", "sessionId"),
        "CHILD": ("createOrganization", "id"),
        "CHILD_USER": ("createPartnerUser", "id"),
        "CHILD_ROLE": ("listPartnerUserRoles", "results", -1, "id"),
    },
    values={
        "organizationId": demo_world.ORGANIZATION_ID,
        "userId": demo_world.user_id(RoleType.CLERK),
        "roleId": roles.role_id(demo_world.ORGANIZATION_ID, RoleType.CLERK),
        "billingStatementId": demo_world.STATEMENT_ID,
        "bankAccountId": demo_world.BANK_ACCOUNT_ID,
        "vendorId": demo_world.VENDOR_ID,
        "fundingAccount": FUNDING,
        "events": [{"type": "bill.updated", "version": "1"}],
        "token": "$CODE",
    },
    of_tag={
        "partner": {
            "organizationId": "$CHILD", "userId": "$CHILD_USER", "roleId": "$CHILD_ROLE",
        },
    },
    of={
        "login": {
            "username": demo_world.USERNAME, "password": demo_world.PASSWORD,
            "devKey": demo_world.DEVELOPER_KEY,
        },
        "validateChallenge": {"rememberMe": True, "device": DEVICE},
        "stepUpSession": {"rememberMeId": "$REMEMBER_ME", "device": DEVICE},
        "partnerLogin": {
            "username": demo_world.PARTNER_USERNAME, "password": demo_world.PARTNER_PASSWORD,
            "appKey": demo_world.APPLICATION_KEY,
        },
        "createPartnerUser": {"username": "robin", "roleId": "$CHILD_ROLE"},
        "createVendorBankAccount": {
            "vendorId": "$VENDOR", "routingNumber": "021000021", "type": "CHECKING",
            "ownerType": "BUSINESS",
        },
        "createBulkBills": {"invoice": {"invoiceNumber": "1002", "invoiceDate": "2026-01-06"}},
        "updateBill": {"dueDate": "2026-02-06"},
        "sendTestEvent": {"eventType": "vendor.updated", "vendor": {"name": "Test"}},
        "createEnvironment": {"name": "stage"},
        "migrateKeys": {"name": "sandbox", "to": "$ENVIRONMENT"},
        "setSunset": {"name": "sandbox", "date": "2028-12-31", "successor": "$ENVIRONMENT"},
        "removeEnvironment": {"name": "$ENVIRONMENT"},
        "saveSnapshot": {"name": "base"},
        "restoreSnapshot": {"name": "$SNAPSHOT"},
        "removeSnapshot": {"name": "$SNAPSHOT"},
        "listDifferences": {"one": "$SNAPSHOT", "other": "sandbox"},
        "createSignUp": {
            "organization": "Guitars", "firstName": "Carla", "lastName": "Strings",
            "email": "carla@guitars.example", "password": "seven green bicycles",
        },
        "createPayment": {"billId": "$BILL", "vendorId": demo_world.VENDOR_ID},
    },
)  # fmt: skip
