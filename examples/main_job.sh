#!/bin/sh
# BILL's main job, to copy: sign in, owe, pay, see it paid. A POSIX shell, curl, and python3 to read JSON.
#
#     sh main_job.sh
#
# As it is, it runs against a Billfold sandbox on this machine with its demo company. Elsewhere these say
# what is other: BILL_BASE_URL, BILL_USERNAME, BILL_PASSWORD, BILL_ORGANIZATION_ID, BILL_DEV_KEY,
# BILL_BANK_ACCOUNT_ID; BILL_WEBHOOK_URL, if there is a receiver to be told; BILL_CONTROL_URL, empty where
# nobody can move time, as at BILL. Whom https trusts: CURL_CA_BUNDLE.
# main_job.py and main_job.mjs do the same and print the same.
set -eu

base=${BILL_BASE_URL-http://127.0.0.1:8080/connect}
root=${base%/connect}
subscriptions=$root/connect-events/v3/subscriptions
control=${BILL_CONTROL_URL-$root/_control}
dev_key=${BILL_DEV_KEY-01DEMODEVELOPERKEY01}
account=${BILL_BANK_ACCOUNT_ID-bac01DEMOCHECKINdemo}
device=main-job-example
session='' remembered=''
newline='
'

# Members of JSON, from settings that may have any letters.
who=$(python3 -c '
import json, os
setting = os.environ.get
print(json.dumps({
    "username": setting("BILL_USERNAME", "ada@demo.example"),
    "password": setting("BILL_PASSWORD", "Billfold-demo-1"),
    "organizationId": setting("BILL_ORGANIZATION_ID", "00801DEMOCOMPANYdemo"),
    "devKey": setting("BILL_DEV_KEY", "01DEMODEVELOPERKEY01"),
})[1:-1])
')

# call METHOD URL [BODY [HEADER]] prints what is answered; what is refused it says, and ends with 1.
# The body goes by a pipe: everybody on the machine can read arguments. Where that is somebody else too,
# give curl the headers of the session in a file (-H @file).
call() {
    answer=$(printf %s "${3-}" | curl -sS --max-time 120 -X "$1" -H 'Content-Type: application/json' \
        ${session:+-H "sessionId: $session" -H "devKey: $dev_key"} ${4:+-H "$4"} \
        --data-binary @- -w '\n%{http_code}' "$2") || refused "$1 $2: no answer"
    status=${answer##*"$newline"} body=${answer%"$newline"*}
    case $status in
        2??) printf '%s\n' "$body" ;;
        *) refused "$1 $2: $status $(reasons "$body")" ;;
    esac
}

refused() {
    echo "main_job: $1" >&2
    exit 1
}

# BILL lists its errors, some without a code; a proxy on the way may say anything.
reasons() {
    printf %s "$1" | python3 -c '
import json, sys
raw = sys.stdin.read()
try:
    print("; ".join((each.get("code", "") + " " + each["message"]).strip() for each in json.loads(raw)))
except (ValueError, LookupError, TypeError, AttributeError):
    print(raw)
'
}

# pick JSON NAME… prints what stands there: `pick "$said" results -1 code`. Amounts stay as they are written.
pick() {
    json=$1
    shift
    printf %s "$json" | python3 -c '
import json, sys
value = json.load(sys.stdin, parse_float=str)
for name in sys.argv[1:]:
    value = value[int(name)] if isinstance(value, list) else value[name]
print(value if isinstance(value, str) else json.dumps(value))
' "$@"
}

# A session, which is trusted at once where this device is remembered.
sign_in() {
    session=''
    said=$(call POST "$base/v3/login" "{$who$remembered}")
    session=$(pick "$said" sessionId)
}

# HERE is what differs: BILL texts the code to a phone, a sandbox keeps it in an inbox.
# BILL_MFA_CODE is for a server whose code is always the same.
texted_code() {
    if [ -n "${BILL_MFA_CODE-}" ]; then
        echo "$BILL_MFA_CODE"
    elif [ -n "$control" ]; then
        inbox=$(call GET "$control/messages")
        pick "$inbox" results -1 code
    else
        printf 'The code that was texted: ' >&2
        read -r typed
        echo "$typed"
    fi
}

# The second step. Keep the id that comes back: for thirty days it stands for this step.
become_trusted() {
    said=$(call POST "$base/v3/mfa/challenge" '{}')
    challenge=$(pick "$said" challengeId)
    code=$(texted_code)
    said=$(call POST "$base/v3/mfa/challenge/validate" '{"challengeId": "'"$challenge"'",
        "token": "'"$code"'", "rememberMe": true, "device": "'"$device"'"}')
    remembered=', "rememberMeId": "'"$(pick "$said" rememberMeId)"'", "device": "'"$device"'"'
}

# Once: another to the same would be refused. One whose receiver failed has been disabled.
subscribe() {
    said=$(call GET "$subscriptions")
    known=$(printf %s "$said" | python3 -c '
import json, sys
results = json.load(sys.stdin)["results"]
print(next((each["id"] for each in results if each["notificationUrl"] == sys.argv[1]), ""))
' "$1")
    if [ -n "$known" ]; then
        call PATCH "$subscriptions/$known" '{"status": {"enabled": true}}' >/dev/null
        echo 'webhooks: subscribed already'
        return
    fi
    key=$(python3 -c 'import uuid; print(uuid.uuid4())')
    said=$(call POST "$subscriptions" '{"name": "main job", "status": {"enabled": true},
        "events": [{"type": "payment.updated", "version": "1"}], "notificationUrl": "'"$1"'"}' \
        "X-Idempotent-Key: $key")
    echo "webhooks: subscribed; told this once, the security key: $(pick "$said" securityKey)"
}

# Sandbox only: weeks pass until it has cleared; a session ends after 35 idle minutes. Sets its $state.
settle() {
    weeks=0 state=''
    while [ "$state" != CLEARED ] && [ $((weeks += 1)) -le 3 ]; do
        call POST "$control/clock" '{"advance": {"days": 7}}' >/dev/null
        sign_in
        said=$(call GET "$base/v3/payments/$payment")
        state=$(pick "$said" singleStatus)
    done
}

sign_in
echo "signed in: trusted $(pick "$said" trusted)"
said=$(call GET "$base/v3/login/session")
echo "mfaStatus: $(pick "$said" mfaStatus)"
become_trusted
echo 'second step passed, and this device is remembered'
sign_in
echo "signed in again: trusted $(pick "$said" trusted)"
if [ -n "${BILL_WEBHOOK_URL-}" ]; then
    subscribe "$BILL_WEBHOOK_URL"
else
    echo 'webhooks: skipped, BILL_WEBHOOK_URL is not set'
fi

# In production BILL checks a new bank account for two business days, and pays after that.
said=$(call POST "$base/v3/vendors" '{"name": "Kestrel Strings", "accountType": "BUSINESS",
    "address": {"line1": "7 Elm St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
    "paymentInformation": {"payeeName": "Kestrel Strings", "bankAccount": {
        "nameOnAccount": "Kestrel Strings", "accountNumber": "555000111", "type": "CHECKING",
        "routingNumber": "322271627", "ownerType": "BUSINESS"}},
    "additionalInfo": {"combinePayments": true}}')
vendor=$(pick "$said" id)
echo "vendor $vendor is paid by $(pick "$said" paymentInformation payByType)"

days=$(python3 -c '
from datetime import date, timedelta
print(date.today(), date.today() + timedelta(days=30))
')
today=${days% *} due=${days#* }
lines=''
for bill in 'INV-1 142.00' 'INV-2 1250.50'; do
    said=$(call POST "$base/v3/bills" '{"vendorId": "'"$vendor"'", "dueDate": "'"$due"'",
        "invoice": {"invoiceNumber": "'"${bill% *}"'", "invoiceDate": "'"$today"'"},
        "billLineItems": [{"amount": '"${bill#* }"', "description": "Guitar strings"}]}')
    id=$(pick "$said" id) amount=$(pick "$said" amount)
    echo "bill $id of $amount is $(pick "$said" paymentStatus)"
    lines="$lines${lines:+, }"'{"billId": "'"$id"'", "amount": '"$amount"'}'
done

# Both bills are of one vendor who takes them combined: one payment, with a part for each.
said=$(call POST "$base/v3/payments/bulk" '{"payments": ['"$lines"'],
    "fundingAccount": {"type": "BANK_ACCOUNT", "id": "'"$account"'"}}')
payment=$(pick "$said" payments 0 id)
for part in 0 1; do
    id=$(pick "$said" payments 0 billPayments "$part" billId)
    echo "payment $payment pays $(pick "$said" payments 0 billPayments "$part" amount) of bill $id"
done
said=$(call GET "$base/v3/payments/$payment")
echo "payment $payment of $(pick "$said" amount) is $(pick "$said" singleStatus)"
if [ -n "$control" ]; then
    settle
    echo "days later payment $payment is $state"
fi
call POST "$base/v3/logout" '{}' >/dev/null
echo 'signed out'
