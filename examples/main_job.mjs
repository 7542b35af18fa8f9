// BILL's main job, to copy: sign in, owe, pay, see it paid. Node 18 or newer, nothing else.
//
//     node main_job.mjs
//
// As it is, it runs against a Billfold sandbox on this machine with its demo company. Elsewhere these say
// what is other: BILL_BASE_URL, BILL_USERNAME, BILL_PASSWORD, BILL_ORGANIZATION_ID, BILL_DEV_KEY,
// BILL_BANK_ACCOUNT_ID; BILL_WEBHOOK_URL, if there is a receiver to be told; BILL_CONTROL_URL, empty where
// nobody can move time, as at BILL. Whom https trusts beside Node's authorities: NODE_EXTRA_CA_CERTS.
// main_job.py and main_job.sh do the same and print the same.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline/promises";

const { env } = process;
const BASE = env.BILL_BASE_URL ?? "http://127.0.0.1:8080/connect";
const ROOT = BASE.replace(/\/connect$/, "");
const SUBSCRIPTIONS = `${ROOT}/connect-events/v3/subscriptions`;
const CONTROL = env.BILL_CONTROL_URL ?? `${ROOT}/_control`;
const DEV_KEY = env.BILL_DEV_KEY ?? "01DEMODEVELOPERKEY01";
const WHO = {
  username: env.BILL_USERNAME ?? "ada@demo.example",
  password: env.BILL_PASSWORD ?? "Billfold-demo-1",
  organizationId: env.BILL_ORGANIZATION_ID ?? "00801DEMOCOMPANYdemo",
  devKey: DEV_KEY,
};
const ACCOUNT = { type: "BANK_ACCOUNT", id: env.BILL_BANK_ACCOUNT_ID ?? "bac01DEMOCHECKINdemo" };
const DEVICE = "main-job-example";
const CALL_MILLISECONDS_MAX = 120_000, WEEKS_MAX = 3, DAY_MILLISECONDS = 86_400_000;

// What was asked, and BILL's codes and messages; or why nothing was answered.
class Refused extends Error {}

let session = {};
let remembered = {};

async function call(method, url, body, headers = {}) {
  const sent = { "Content-Type": "application/json", ...session, ...headers };
  const options = { method, headers: sent, body: body && JSON.stringify(body) };
  let status, raw;
  try {
    const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(CALL_MILLISECONDS_MAX) });
    [status, raw] = [answer.status, await answer.text()];
  } catch (error) {
    throw new Refused(`${method} ${url}: ${error.cause?.message || error.cause?.code || error.message}`);
  }
  if (status >= 300) throw new Refused(`${method} ${url}: ${status} ${reasons(raw)}`);
  return raw ? JSON.parse(raw) : null;
}

// BILL lists its errors, some without a code; a proxy on the way may say anything.
function reasons(raw) {
  try {
    return JSON.parse(raw).map(({ code = "", message }) => `${code} ${message}`.trim()).join("; ");
  } catch {
    return raw;
  }
}

// A session, which is trusted at once where this device is remembered; says whether it is.
async function signIn() {
  session = {};
  const said = await call("POST", `${BASE}/v3/login`, { ...WHO, ...remembered });
  session = { sessionId: said.sessionId, devKey: DEV_KEY };
  return `trusted ${said.trusted}`;
}

// The second step. Keep the id that comes back: for thirty days it stands for this step.
async function becomeTrusted() {
  const { challengeId } = await call("POST", `${BASE}/v3/mfa/challenge`, {});
  const passed = { challengeId, token: await textedCode(), rememberMe: true, device: DEVICE };
  const { rememberMeId } = await call("POST", `${BASE}/v3/mfa/challenge/validate`, passed);
  remembered = { rememberMeId, device: DEVICE };
}

// HERE is what differs: BILL texts the code to a phone, a sandbox keeps it in an inbox.
// BILL_MFA_CODE is for a server whose code is always the same.
async function textedCode() {
  if (env.BILL_MFA_CODE) return env.BILL_MFA_CODE;
  if (CONTROL) return (await call("GET", `${CONTROL}/messages`)).results.at(-1).code;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await terminal.question("The code that was texted: ");
  terminal.close();
  return typed;
}

// Once: another to the same would be refused. One whose receiver failed has been disabled.
async function subscribe(notificationUrl) {
  const { results } = await call("GET", SUBSCRIPTIONS);
  const known = results.find((each) => each.notificationUrl === notificationUrl);
  if (known) {
    await call("PATCH", `${SUBSCRIPTIONS}/${known.id}`, { status: { enabled: true } });
    return "subscribed already";
  }
  const events = [{ type: "payment.updated", version: "1" }];
  const asked = { name: "main job", status: { enabled: true }, events, notificationUrl };
  const made = await call("POST", SUBSCRIPTIONS, asked, { "X-Idempotent-Key": randomUUID() });
  return `subscribed; told this once, the security key: ${made.securityKey}`;
}

// In production BILL checks a new bank account for two business days, and pays after that.
async function makeVendor() {
  const bankAccount = {
    nameOnAccount: "Kestrel Strings", accountNumber: "555000111", type: "CHECKING",
    routingNumber: "322271627", ownerType: "BUSINESS",
  };
  const address = { line1: "7 Elm St", city: "Reno", zipOrPostalCode: "89501", country: "US" };
  return call("POST", `${BASE}/v3/vendors`, {
    name: "Kestrel Strings", accountType: "BUSINESS", address,
    paymentInformation: { payeeName: "Kestrel Strings", bankAccount },
    additionalInfo: { combinePayments: true },
  });
}

async function makeBill(vendor, invoiceNumber, amount) {
  const day = (days) => new Date(Date.now() + days * DAY_MILLISECONDS).toISOString().slice(0, 10);
  return call("POST", `${BASE}/v3/bills`, {
    vendorId: vendor.id, dueDate: day(30), invoice: { invoiceNumber, invoiceDate: day(0) },
    billLineItems: [{ amount, description: "Guitar strings" }],
  });
}

// Sandbox only: weeks pass until it has cleared; a session ends after 35 idle minutes.
async function settle(at) {
  let payment;
  for (let week = 0; week < WEEKS_MAX; week++) {
    await call("POST", `${CONTROL}/clock`, { advance: { days: 7 } });
    await signIn();
    payment = await call("GET", at);
    if (payment.singleStatus === "CLEARED") break;
  }
  return payment;
}

async function main() {
  console.log("signed in:", await signIn());
  console.log("mfaStatus:", (await call("GET", `${BASE}/v3/login/session`)).mfaStatus);
  await becomeTrusted();
  console.log("second step passed, and this device is remembered");
  console.log("signed in again:", await signIn());
  const webhook = env.BILL_WEBHOOK_URL;
  console.log("webhooks:", webhook ? await subscribe(webhook) : "skipped, BILL_WEBHOOK_URL is not set");
  const vendor = await makeVendor();
  console.log("vendor", vendor.id, "is paid by", vendor.paymentInformation.payByType);
  const bills = [await makeBill(vendor, "INV-1", 142.00), await makeBill(vendor, "INV-2", 1250.50)];
  for (const { id, amount, paymentStatus } of bills)
    console.log("bill", id, "of", amount.toFixed(2), "is", paymentStatus);
  const payments = bills.map(({ id, amount }) => ({ billId: id, amount }));
  const asked = { fundingAccount: ACCOUNT, payments };
  // Both bills are of one vendor who takes them combined: one payment, with a part for each.
  const [paid] = (await call("POST", `${BASE}/v3/payments/bulk`, asked)).payments;
  for (const { billId, amount } of paid.billPayments)
    console.log("payment", paid.id, "pays", amount.toFixed(2), "of bill", billId);
  const at = `${BASE}/v3/payments/${paid.id}`;
  let payment = await call("GET", at);
  console.log("payment", payment.id, "of", payment.amount.toFixed(2), "is", payment.singleStatus);
  if (CONTROL) {
    payment = await settle(at);
    console.log("days later payment", payment.id, "is", payment.singleStatus);
  }
  await call("POST", `${BASE}/v3/logout`, {});
  console.log("signed out");
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(`main_job: ${error.message}`);
  process.exitCode = 1;
}
