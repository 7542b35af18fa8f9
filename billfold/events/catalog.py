"""The closed list of event types of an organization, as it can be subscribed to (`webhooks.yaml`)."""

VERSIONS = ("1",)

TYPES = (
    "vendor.created", "vendor.updated", "vendor.archived", "vendor.restored", "autopay.failed",
    "bill.created", "bill.updated", "bill.archived", "bill.restored",
    "payment.updated", "payment.failed", "mass-payment.updated",
    "bank-account.created", "bank-account.updated", "card-account.created", "card-account.updated",
    "invoice.created", "invoice.updated", "invoice.archived", "invoice.restored",
    "risk-verification.updated",
)  # fmt: skip
