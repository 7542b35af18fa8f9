"""What vendors look like in v2: what may be sent, and what is answered.

Fields of the answer that have a value here are of what is not served: they say what they say of a
vendor that was just made.
"""

from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from billfold.door.wire import Amount, Name, Short
from billfold.v2.envelope import Data
from billfold.v2.values import (
    NULLID,
    SentCode,
    SentCount,
    SentFlag,
    SentId,
    SentLongText,
    SentText,
)


class VendorFields(Data):
    """What may be sent of a vendor, new or old; what else a client sends is read over."""

    is_active: SentCode = UNSET
    short_name: Annotated[str, Meta(max_length=40)] | None | UnsetType = UNSET
    name_on_check: SentText = UNSET
    company_name: SentText = UNSET
    acc_number: SentText = UNSET
    tax_id: SentText = UNSET
    tax_id_type: SentCode = UNSET
    track1099: SentFlag = UNSET
    address1: Annotated[str, Meta(max_length=1000)] | None | UnsetType = UNSET
    address2: SentText = UNSET
    address3: SentText = UNSET
    address4: SentText = UNSET
    address_city: SentText = UNSET
    address_state: SentText = UNSET
    address_zip: SentText = UNSET
    address_country: SentText = UNSET
    email: SentText = UNSET
    fax: SentText = UNSET
    phone: SentText = UNSET
    payment_email: SentText = UNSET
    payment_phone: SentText = UNSET
    description: SentLongText = UNSET
    contact_first_name: SentText = UNSET
    contact_last_name: SentText = UNSET
    account_type: SentCode = UNSET
    payment_term_id: SentId = UNSET
    send_notifications: SentFlag = UNSET
    external_bill_pay_in12m: SentCount = msgspec.field(name="externalBillPayIn12m", default=UNSET)
    since: SentCount = UNSET
    pay_days_before: Annotated[int, Meta(ge=0, le=999)] | None | UnsetType = UNSET
    enabled_combine_payments: SentFlag = UNSET
    bill_currency: SentText = UNSET
    bill_sync_pref: SentCode = UNSET
    pref_pmt_method: SentCode = UNSET
    payment_purpose: SentText = UNSET
    bank_country: SentText = UNSET
    send_invite_for_private_vendor: SentFlag = UNSET
    vendor_v_card_remit_email: SentText = UNSET
    org_v_card_status: SentCode = UNSET
    pref_remit_email: SentCode = UNSET
    remit_email: SentText = UNSET


class NewVendor(VendorFields, kw_only=True):
    entity: Short
    name: Name


class VendorChanges(VendorFields, kw_only=True):
    entity: Short
    id: Short
    name: Name | UnsetType = UNSET


class VendorCreate(Data):
    obj: NewVendor


class VendorUpdate(Data):
    obj: VendorChanges


class VendorView(Data):
    id: str
    is_active: str
    name: str
    short_name: str | None
    name_on_check: str | None
    company_name: str | None
    acc_number: str | None
    tax_id: str | None
    tax_id_type: str | None
    track1099: bool
    address1: str | None
    address2: str | None
    address3: str | None
    address4: str | None
    address_city: str | None
    address_state: str | None
    address_zip: str | None
    address_country: str | None
    email: str | None
    fax: str | None
    phone: str | None
    pay_by: str
    payment_email: str | None
    payment_phone: str | None
    description: str | None
    created_time: str
    updated_time: str
    contact_first_name: str | None
    contact_last_name: str | None
    account_type: str
    payment_term_id: str
    send_notifications: bool
    balance: Amount
    last_balance_update: str | None
    external_bill_pay_in12m: int | None = msgspec.field(name="externalBillPayIn12m")
    since: int | None
    pay_days_before: int | None
    enabled_combine_payments: bool
    bill_currency: str
    payment_currency: str | None
    bill_sync_pref: str
    pref_pmt_method: str
    payment_purpose: str | None
    bank_country: str | None
    vendor_bank_account_status: str
    send_invite_for_private_vendor: bool
    vendor_v_card_remit_email: str | None
    org_v_card_status: str
    pref_remit_email: str
    remit_email: str | None
    last_payment_date: date | None
    network_status: str | None
    entity: str = "Vendor"
    merge_into_id: str = NULLID
    merged_into_id: str = NULLID
    has_bank_account_auto_pay: bool = False
    has_recurring_payments: bool = False
    vendor_v_card_status: str = "-1"
    processor_v_card_status: str | None = None
    v_status_update_source: str | None = None
    allow_connected_vendor_edit_address: bool = False
    inform_connected_vendor_address_sync_modified: bool = False
    intl_payment_type: str = "0"
    vcard_enroll_date: date | None = None
    vcard_decline_date: date | None = None
    is_account_number_required: bool = False
    large_biller_id: str = NULLID
    org_v_card_opt_out_cust_reason: str | None = None
    enable_funded_invite: bool = False
    number_of_invites_sent: int = 0
    eligible_for_ebills: bool = False
    acknowledged_ebill_banner: bool = False
    acknowledged_ebill_error: bool = False
    e_bill_enablement_failed: bool = False
    paymentus_merchant_id: str | None = msgspec.field(name="PaymentusMerchantId", default=None)
    unmodified_bills_count: str = "0"
    setup_auto_pay_prompt: bool = False
    auto_pay_conflict: bool = False
    auto_save: str | None = None
    auto_save_status: str | None = None
    creation_source: str = "0"
    paymentus_pmt_type: str | None = msgspec.field(name="PaymentusPmtType", default=None)
    paymentus_acct_token: str | None = msgspec.field(name="PaymentusAcctToken", default=None)
    paymentus_acct_token2: str | None = msgspec.field(name="PaymentusAcctToken2", default=None)
    paymentus_acct_token3: str | None = msgspec.field(name="PaymentusAcctToken3", default=None)
    stp_processor: str = "0"
    e_bill_enabled_status: str = "0"
    e_bill_eligible: bool = False
    avail_credit: int = 0
    name_on_check_remediation: bool = False
    org_v_card_opt_out_cust_other: str | None = None
    vcard_processor: str = "1"
    is_address_validated: bool = False
    is_sync_vendor_country_mapped: bool = False
    opted_out_of_v_card_by_org: bool = False
    invalid_country_currency_at_new_vendor_sync: bool = False
    acct_balance: int = 0
    last_acct_balance_update: str | None = None
    payment_emails: str | None = None
    required: list[str] = []
