"""What is seen of the server: log lines and numbers. Bodies, secrets and queries never are.

Numbers are plain counters here; prometheus-client and structlog are imported when they are first
needed, so that neither start nor answer waits for them.
"""

import itertools
import os
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from billfold.door.arrival import Arrival
from billfold.kit.errors import Unavailable

if TYPE_CHECKING:
    from billfold.door.certificates import Handshakes

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNKNOWN_ROUTE = "unknown"


@dataclass(slots=True)
class Series:
    """Of answers, or of deliveries: how many, in how much time."""

    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_SECONDS) + 1))

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1

    def counted(self) -> list[tuple[str, int]]:
        """By Prometheus' bounds, each with all below it."""
        bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
        return list(zip(bounds, itertools.accumulate(self.buckets), strict=True))


class Watch:
    def __init__(
        self, every_request: bool = False, slow_seconds: float = 1.0, processes: int = 1
    ) -> None:
        self.processes = processes
        self.every_request = every_request
        self.slow_seconds = slow_seconds
        self.answers: defaultdict[tuple[str, str, int], Series] = defaultdict(Series)
        self.deliveries: defaultdict[str, Series] = defaultdict(Series)
        # How long after it happened the first attempt to tell of it began, by the environment's clock.
        self.lateness = Series()
        # Of TLS, by who has signed the certificate.
        self.handshakes: dict[str, Handshakes] = {}
        self._ids = itertools.count()
        self._process = f"{os.getpid():x}-".encode()

    def note(self, arrival: Arrival, status: int, seconds: float, error: BaseException | None) -> bytes:
        """Count an answer, log it if it is worth a line, and give it a name to be asked about by."""
        request_id = self._process + b"%x" % next(self._ids)
        self.answers[arrival.method, arrival.route or UNKNOWN_ROUTE, status].add(seconds)
        if self.every_request or status > 499 or seconds > self.slow_seconds:
            self._log(arrival, status, seconds, error, request_id)
        return request_id

    def note_delivery(self, outcome: str, seconds: float, late_seconds: float | None) -> None:
        self.deliveries[outcome].add(seconds)
        if late_seconds is not None:
            self.lateness.add(late_seconds)

    def _log(self, arrival: Arrival, status: int, seconds: float, error, request_id: bytes) -> None:
        from billfold.door.logs import logger

        level = "error" if status > 499 else "info"
        caller = arrival.caller
        said: dict[str, Any] = {
            "request_id": request_id.decode(), "method": arrival.method,
            "environment": arrival.under, "route": arrival.route or UNKNOWN_ROUTE, "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "organization": caller and caller.organization_id, "user": caller and caller.user_id,
        }  # fmt: skip
        if isinstance(error, Unavailable):
            # Not a mistake of the program's, whose place would have to be known; and there are many.
            said["trouble"], error = str(error).partition("\n")[0], None
        getattr(logger(), level)("request", exc_info=error, **said)

    def metrics(self, parked: int | None, late_seconds: float) -> bytes:
        """The numbers in Prometheus' text form. Of the agenda: how many items are parked, None when the
        database does not answer, and for how long the first has been due."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Numbers(self, parked, late_seconds))
        return generate_latest(registry)


class _Numbers:
    def __init__(self, watch: Watch, parked: int | None, late_seconds: float) -> None:
        self.watch, self.parked, self.late_seconds = watch, parked, late_seconds

    def collect(self):
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        answers = HistogramMetricFamily(
            "billfold_request_seconds", "Answers by route and status.",
            labels=["method", "route", "status"],
        )  # fmt: skip
        for (method, route, status), series in list(self.watch.answers.items()):
            answers.add_metric([method, route, str(status)], series.counted(), series.seconds)
        yield answers
        deliveries = CounterMetricFamily(
            "billfold_deliveries", "Attempts to deliver a notification.", labels=["outcome"]
        )
        took = HistogramMetricFamily(
            "billfold_delivery_seconds", "What an attempt to deliver took.", labels=["outcome"]
        )
        for outcome, series in list(self.watch.deliveries.items()):
            deliveries.add_metric([outcome], sum(series.buckets))
            took.add_metric([outcome], series.counted(), series.seconds)
        yield deliveries
        yield took
        late = self.watch.lateness
        what = "How long after it happened the first attempt to tell of it began."
        yield HistogramMetricFamily(
            "billfold_delivery_late_seconds", what, buckets=late.counted(), sum_value=late.seconds
        )
        what = "API processes of this server; each counts what it does itself."
        yield GaugeMetricFamily("billfold_processes", what, value=self.watch.processes)
        shaken = CounterMetricFamily(
            "billfold_tls_handshakes", "Handshakes that were begun, made in full, and resumed.",
            labels=["issuer", "outcome"],
        )  # fmt: skip
        for issuer, handshakes in list(self.watch.handshakes.items()):
            for outcome in ("begun", "made", "resumed"):
                shaken.add_metric([issuer, outcome], getattr(handshakes, outcome))
        yield shaken
        up = self.parked is not None
        yield GaugeMetricFamily("billfold_database_up", "Whether the database answers.", value=up)
        if up:
            what = "Items of the agenda that failed again and again and are not tried any more."
            yield GaugeMetricFamily("billfold_agenda_parked", what, value=self.parked)
            what = "For how long the first item of the agenda has been due."
            yield GaugeMetricFamily("billfold_agenda_late_seconds", what, value=self.late_seconds)
