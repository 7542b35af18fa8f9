"""Lists of 100 out of 10,000 rows and out of a hundred times as many: the first page and a deep one."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from statistics import median
from urllib.parse import urlencode

from bench import rows, seeding, world
from bench.asked import LISTS, PAGE, List
from bench.databases import Data, Databases
from bench.depth import Depth
from bench.load import Server
from bench.report import Report
from billfold.kit.listing import Asked
from billfold.kit.secrets import load
from billfold.kit.tables import Owned
from billfold.payables.bills import Bill, BillLine
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import Vendor

FEW = 10_000
MANY: Mapping[type[Owned], int] = {Vendor: 1_000_000, Bill: 600_000}
DEEP_PAGES = 5_000
DEEP_MOST, LARGE_MOST = 1.3, 1.5
ROUNDS = 9
# Of a round too many: statements are prepared, and PostgreSQL plans the first five anew each time.
WARM = 6
IDLE_SECONDS_MAX = 2
# A page that its server gives up counts as this.
REFUSED_MILLISECONDS = 10_000.0
KINDS = SMALL, LARGE, DEEP = "first of few", "first of many", "deep"


@dataclass
class Pages:
    """One list asked in one way: milliseconds of each kind of page, and how deep the deep one lies."""

    asked: Asked
    depth: int = 0
    taken: dict[str, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        asked = f"sort={self.asked.sort}" if self.asked.sort else self.asked.filters
        return (asked if len(asked) < 60 else f"{asked[:57]}…") or "nothing asked"

    def milliseconds(self, kind: str) -> float:
        return median(self.taken[kind])

    def ratio(self, kind: str, to: str) -> float:
        """The median of the rounds' ratios; 0 where there is no such page."""
        if kind not in self.taken:
            return 0
        return median(a / b for a, b in zip(self.taken[kind], self.taken[to], strict=True))


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    report.say()
    report.say("## Long lists")
    report.say()
    report.say(
        f"GET {PAGE} vendors, and {PAGE} bills with a line each, by one client, milliseconds; out of"
        f" {FEW:,} of each, and out of {MANY[Vendor]:,} vendors and {MANY[Bill]:,} bills, in two"
        " databases with a Billfold each. Once as they are, and by each filter and each sort of the"
        f" reference. Deep is {DEEP_PAGES:,} pages from the first, or as far as the list goes. Each is"
        f" the median of {ROUNDS} pages asked in turn, and a ratio that of the rounds' ratios; what"
        " seems to miss a target is asked three times as often, and that counts. All of them:"
        " [lists.md](lists.md)."
    )
    for kind in databases.kinds:
        _measure(report, databases, kind)


def _measure(report: Report, databases: Databases, kind: str) -> None:
    began = time.monotonic()
    few = _filled(databases.data(kind, "few"), {Vendor: FEW, Bill: FEW})
    many = _filled(databases.data(kind, "many"), MANY)
    seeded = time.monotonic() - began
    with ExitStack() as stack:
        servers = [stack.enter_context(Server("Billfold", data.serve())) for data in (few, many)]
        depth = stack.enter_context(Depth(many))
        clients = [stack.enter_context(Client(server)) for server in servers]
        found = {each.name: _pages(each, clients, depth) for each in LISTS}
    report.say()
    report.say(f"| {kind} | first of few | first of many | deep | deep to first | many to few |")
    report.say("|---|--:|--:|--:|--:|--:|")
    for name, pages in found.items():
        report.say(_row(f"{name}, as they are", pages[0]))
        for what, of, to in (("deep to first", DEEP, LARGE), ("many to few", LARGE, SMALL)):
            worst = max(pages, key=lambda each: each.ratio(of, to))
            report.say(_row(f"{name}, worst {what}: {worst.name}", worst))
    report.say()
    report.say(f"({seeded:.0f} s to put the rows in.)")
    report.say()
    for name, pages in found.items():
        _judge(report, kind, name, pages)
        _detail(report, kind, name, pages)
        count = MANY[Vendor if name == "vendors" else Bill]
        for page, said in (
            (SMALL, f"first of {FEW:,}"),
            (LARGE, f"first of {count:,}"),
            (DEEP, "deep"),
        ):
            bar = f"{name}, {said}, {kind}", pages[0].milliseconds(page)
            report.figures["A page of 100, milliseconds (less is better)"].append(bar)


def _filled(data: Data, counts: Mapping[type[Owned], int]) -> Data:
    world.seed_billfold(data)
    secrets = load(data.folder)
    seeding.pour(
        data,
        (Vendor, rows.vendors(secrets, counts[Vendor])),
        (VendorBankAccount, rows.accounts(secrets, counts[Vendor])),
        (Bill, rows.bills(counts[Bill], counts[Vendor])),
        (BillLine, rows.lines(counts[Bill])),
    )
    return data


class Client:
    """One connection that stays open, and is opened again before the server ends it."""

    def __init__(self, server: Server) -> None:
        self.connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.used = time.monotonic()
        self.headers = {"sessionId": world.SESSION_ID % 0, "devKey": world.KEY}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error) -> None:
        self.connection.close()

    def get(self, path: str, asked: Asked, page: str = "") -> tuple[float, bytes]:
        """Milliseconds, and the answer; none where the server gives the page up."""
        query = {"max": asked.max, "filters": asked.filters, "sort": asked.sort, "page": page}
        target = f"{path}?{urlencode({name: value for name, value in query.items() if value})}"
        if time.monotonic() - self.used > IDLE_SECONDS_MAX:
            self.connection.close()
            self.connection.connect()
        began = time.perf_counter()
        self.connection.request("GET", target, headers=self.headers)
        answer = self.connection.getresponse()
        said = answer.read()
        taken = (time.perf_counter() - began) * 1000
        self.used = time.monotonic()
        if answer.status == 503:
            return REFUSED_MILLISECONDS, b""
        if answer.status != 200:
            raise RuntimeError(f"{target}: {answer.status} {said!r}")
        return taken, said


def _pages(each: List, clients: list[Client], depth: Depth) -> list[Pages]:
    found = []
    for asked in each.asked():
        pages = _measured(each, asked, clients, depth, ROUNDS)
        if _misses(pages):
            pages = _measured(each, asked, clients, depth, 3 * ROUNDS)
        found.append(pages)
    return found


def _misses(pages: Pages) -> bool:
    return pages.ratio(DEEP, LARGE) > DEEP_MOST or pages.ratio(LARGE, SMALL) > LARGE_MOST


def _measured(each: List, asked: Asked, clients: list[Client], depth: Depth, rounds: int) -> Pages:
    few, many = clients
    page, away = depth.page(each, asked, DEEP_PAGES * PAGE)
    ways = {SMALL: lambda: few.get(each.path, asked), LARGE: lambda: many.get(each.path, asked)}
    if page:
        ways[DEEP] = lambda: many.get(each.path, asked, page)
    pages = Pages(asked, away // PAGE, {kind: [] for kind in ways})
    sizes = set()
    for way in ways.values():
        for _ in range(WARM):
            _, said = way()
        if said:
            sizes.add(said.count(each.begin))
    assert len(sizes) <= 1, f"pages of {each.name} by {asked} are not of one size: {sizes}"
    for number in range(rounds):
        for kind in [*ways][number % len(ways) :] + [*ways][: number % len(ways)]:
            pages.taken[kind].append(ways[kind]()[0])
    return pages


def _row(name: str, pages: Pages) -> str:
    cells = [f"{pages.milliseconds(kind):.1f}" if kind in pages.taken else "" for kind in KINDS]
    ratios = [pages.ratio(DEEP, LARGE), pages.ratio(LARGE, SMALL)]
    cells += [f"{ratio:.2f}" if ratio else "" for ratio in ratios]
    return f"| {' | '.join([name, *cells])} |"


def _judge(report: Report, kind: str, name: str, pages: list[Pages]) -> None:
    for what, of, to, most in (
        ("a deep page to the first", DEEP, LARGE, DEEP_MOST),
        ("out of many to out of few", LARGE, SMALL, LARGE_MOST),
    ):
        late = sorted((each.ratio(of, to), each.name) for each in pages if each.ratio(of, to) > most)
        worst = max(each.ratio(of, to) for each in pages)
        said = f"at most {worst:.2f} times"
        if late:
            said += f"; {len(late)} of {len(pages)} lists are above"
        report.judge(f"{name}, {what}, on {kind}", said, f"{most} times", not late)


def _detail(report: Report, kind: str, name: str, pages: list[Pages]) -> None:
    report.details += [
        f"## {name.capitalize()} on {kind}", "",
        f"| {PAGE} of them | first of few | first of many | deep | deep to first | many to few"
        " | pages deep |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(f"{_row(f'`{each.name}`', each)} {each.depth:,} |" for each in pages), "",
    ]  # fmt: skip
