"""Particulars: what callers note beside vendors, bills and lines, kept as it was sent.

No rule reads it and no list is filtered by it; v2 alone shows it. The codes are the wire's.
"""

from datetime import date

import msgspec


class VendorParticulars(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """`since` is a year; `external_bill_pay_in12m` is a number of payments."""

    address3: str | None = None
    address4: str | None = None
    fax: str | None = None
    payment_phone: str | None = None
    description: str | None = None
    contact_first_name: str | None = None
    contact_last_name: str | None = None
    since: int | None = None
    external_bill_pay_in12m: int | None = None
    send_notifications: bool = True
    send_invite_for_private_vendor: bool = True
    bill_sync_pref: str = "0"
    pref_pmt_method: str = "1"
    org_v_card_status: str = "1"
    pref_remit_email: str = "0"
    remit_email: str | None = None


class BillParticulars(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    gl_posting_date: date | None = None
    pay_from_bank_account_id: str | None = None
    use_bill_desc: bool = False
    default_invoice_number: bool = False


class LineParticulars(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    job_billable: bool = False
    line_type: str = "1"
    line_order: int = 0
