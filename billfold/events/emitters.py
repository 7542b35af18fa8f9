"""Who tells what: for each event type the rule that tells it, or the area that will; docs/events.md."""

from dataclasses import dataclass

from billfold.events.catalog import SPEND_TYPES, TYPES

OPENING = """\
# Events

Printed by `billfold events`. For each type that can be subscribed to: when it is told and by
which file, or which area will tell it when it is built. The test endpoint sends every type today:
those of Spend & Expense (`spend.…`) to subscriptions that were made with an `apiToken`
([how to get one](production.md#keys-and-tokens)), all others to those of organizations and partners.
A type is told at most once of a subject in one transaction, from the row as it is when that ends,
and never of what was undone.

What stands in a notification is `metadata` (`eventId`, `subscriptionId`, `organizationId`, `eventType`,
`version`) and an object named after the subject. Oddities that clients rely on:

- `bank-account`, `card-account` and `risk-verification` are hyphenated;
- the fields of `autopay.failed` and `mass-payment.updated` stand beside `metadata`;
- the version of invoices is the number 1, that of all others the text "1";
- the invoice date of a bill is a moment that ends in Z, that of an invoice a date;
- the reasons of `payment.failed` stand beside the payment, not in it.

BILL's printed samples show a vendor's `accountNumber` as a number. Here it is a text as in
`/v3/vendors`, because account numbers may begin with zeros.
"""


@dataclass(frozen=True, slots=True)
class Teller:
    """`file` tells it; where there is none, what will is yet to be built."""

    when: str
    file: str | None = None


VENDORS, BILLS, PAYMENTS = "payables/vendors.py", "payables/bills.py", "payables/payments.py"
FUNDING, RECEIVABLES, SPEND = (
    "with adding bank and card accounts",
    "with invoices",
    "with Spend & Expense",
)

TELLERS = {
    "vendor.created": Teller("a vendor was created", VENDORS),
    "vendor.updated": Teller("anything of a vendor changed, its bank account among it", VENDORS),
    "vendor.archived": Teller("a vendor was archived", VENDORS),
    "vendor.restored": Teller("a vendor was restored", VENDORS),
    "autopay.failed": Teller("with automatic payments"),
    "bill.created": Teller("a bill was created", BILLS),
    "bill.updated": Teller("anything of a bill changed, its payment status among it", BILLS),
    "bill.archived": Teller("a bill was archived", BILLS),
    "bill.restored": Teller("a bill was restored", BILLS),
    "payment.updated": Teller("a payment was scheduled, or its single status changed", PAYMENTS),
    "payment.failed": Teller(
        "a rule of business refused to create payments; told although nothing else remains",
        "payables/failed_payments.py",
    ),
    "mass-payment.updated": Teller("with mass payments"),
    "bank-account.created": Teller(FUNDING),
    "bank-account.updated": Teller(FUNDING),
    "card-account.created": Teller(FUNDING),
    "card-account.updated": Teller(FUNDING),
    "invoice.created": Teller(RECEIVABLES),
    "invoice.updated": Teller(RECEIVABLES),
    "invoice.archived": Teller(RECEIVABLES),
    "invoice.restored": Teller(RECEIVABLES),
    "risk-verification.updated": Teller(
        "the verification of an organization began, or was decided", "access/verifications.py"
    ),
    **dict.fromkeys(SPEND_TYPES, Teller(SPEND)),
}


def drawn() -> str:
    lines = [OPENING, "| Event | When | Told by |", "| --- | --- | --- |"]
    for each in (*TYPES, *SPEND_TYPES):
        teller = TELLERS[each]
        when = teller.when if teller.file else ""
        by = f"`billfold/{teller.file}`" if teller.file else f"not yet: comes {teller.when}"
        lines.append(f"| `{each}` | {when} | {by} |")
    return "\n".join(lines) + "\n"
