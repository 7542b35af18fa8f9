"""What was told, looked through to the last row and the last byte: all of it, and nothing else."""

import json
from collections import Counter, defaultdict

from billfold import demo_world
from billfold.events.outbox import Delivery, Event, said
from billfold.events.subscriptions import Subscription
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.work import Work
from billfold.payables.bills import Bill
from billfold.payables.vendors import Vendor
from tests.proof.receiver import SignedReceiver
from tests.proof.writers import Noted


class Deliveries:
    """The rows of every organization and of the partner, once nothing is to be delivered any more."""

    def __init__(self, work: Work) -> None:
        where = work.connection.where
        self.left = where(AgendaItem)
        self.subscriptions = where(Subscription)
        self.deliveries = where(Delivery)
        vendors = (each for each in where(Vendor) if each.id != demo_world.VENDOR_ID)
        self.marks = {vendor.id: vendor.name for vendor in vendors}
        self.marks |= {bill.id: bill.invoice_number for bill in where(Bill)}
        events = (each for each in where(Event) if each.subject_id != demo_world.VENDOR_ID)
        self.events = {event.id: event for event in events}
        self.said = {id: json.loads(said(work, event)) for id, event in self.events.items()}

    def audit(self, noted: Noted, receiver: SignedReceiver) -> None:
        self.tell_each_committed_change_once(noted)
        self.have_all_arrived(receiver)
        self.are_all_settled()

    def tell_each_committed_change_once(self, noted: Noted) -> None:
        told = [(mark_in(self.said[id]), event) for id, event in self.events.items()]
        found = {mark: (event.event_type, event.subject_id) for mark, event in told}
        assert len(found) == len(told), "a change was told twice"
        missing = noted.answered.items() - found.items()
        assert not missing, f"{len(missing)} were answered and have no event"
        others = {mark: type for mark, (type, _) in found.items() if mark not in noted.answered}
        assert others.items() <= noted.in_doubt.items(), "told, and never asked or refused"
        # The rows do not know of events: those that are there were created, and say what was told last.
        last: dict[str, str] = {}
        for mark, (_, subject_id) in sorted(found.items()):
            last[subject_id] = mark
        untrue, untold = last.items() - self.marks.items(), self.marks.items() - last.items()
        assert last == self.marks, f"told, but not so: {untrue}; so, but not told: {untold}"
        created = {id for type, id in found.values() if type.endswith(".created")}
        assert created == self.marks.keys(), "the creation of some was not told"

    def are_all_settled(self) -> None:
        assert all(subscription.enabled for subscription in self.subscriptions), "one was given up"
        states = Counter(each.state for each in self.deliveries)
        assert states == {"DELIVERED": len(self.deliveries)}, states
        planned = Counter((each.subscription_id, each.event_id) for each in self.deliveries)
        assert planned == dict.fromkeys(self.expected(), 1), "not what was to be heard was delivered"
        assert self.left == [], f"{len(self.left)} items are left on the agenda"

    def expected(self) -> set[tuple[str, str]]:
        """By subscription and event: what is to be heard, by the rules and not by the outbox."""
        return {
            (subscription.id, event.id)
            for subscription in self.subscriptions
            for event in self.events.values()
            if subscription.organization_id in listeners_of(event)
            and any(wanted.type == event.event_type for wanted in subscription.events)
        }

    def have_all_arrived(self, receiver: SignedReceiver) -> None:
        """At least once, always the same to the byte, rightly signed; and nothing else has."""
        assert receiver.wrong == [], "signatures are wrong"
        arrived, expected = receiver.taken.keys(), self.expected()
        silent = {each.id for each in self.subscriptions} - {id for id, _ in expected}
        assert not silent, "a subscription has nothing to hear"
        lost, invented = expected - arrived, (arrived | receiver.refused.keys()) - expected
        assert not lost, f"{len(lost)} of {len(expected)} have never arrived"
        assert not invented, f"{len(invented)} have arrived that were never committed"
        bodies: dict[tuple[str, str], set[bytes]] = defaultdict(set)
        for arrival, came in receiver.taken.items():
            bodies[arrival] |= set(came)
        for arrival, body in receiver.refused.items():
            bodies[arrival].add(body)
        changed = [arrival for arrival, different in bodies.items() if len(different) > 1]
        assert not changed, f"{len(changed)} have arrived with more than one body"
        for (subscription_id, event_id), (body,) in bodies.items():
            event = self.events[event_id]
            metadata = {
                "eventId": event_id, "subscriptionId": subscription_id, "version": "1",
                "organizationId": event.organization_id, "eventType": event.event_type,
            }  # fmt: skip
            assert json.loads(body) == {"metadata": metadata} | self.said[event_id], body


def listeners_of(event: Event) -> set[str]:
    """The organization itself, and the partner who has made it: all but the demo company."""
    of_partner = event.organization_id != demo_world.ORGANIZATION_ID
    return {event.organization_id} | ({demo_world.PARTNER_ID} if of_partner else set())


def mark_in(said: dict) -> str:
    """Under which what is told was written."""
    return said["vendor"]["name"] if "vendor" in said else said["bill"]["invoice"]["invoiceNumber"]
