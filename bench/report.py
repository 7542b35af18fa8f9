"""What a run has found: lines for the screen as they come, and files and a chart after a whole run."""

from collections import defaultdict
from pathlib import Path

from bench import chart

RESULTS = Path(__file__).parent / "results"


class Report:
    """`figures` are what the chart shows: a panel's title, and its bars in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.details: list[str] = []
        self.missed: list[str] = []
        self.figures: dict[str, list[tuple[str, float]]] = defaultdict(list)

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def judge(self, what: str, found: str, target: str, holds: bool) -> None:
        self.say(f"- {'holds' if holds else 'MISSED'}: {what}: {found} (target {target})")
        if not holds:
            self.missed.append(f"{what}: {found}, not {target}")

    def write(self, title: str, about: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        for name, lines in (("latest.md", self.lines), ("lists.md", self.details)):
            (RESULTS / name).write_text("\n".join(lines).strip() + "\n")
        (RESULTS / "chart.svg").write_text(chart.drawn(title, about, self.figures))


def spread(numbers: list[float], unit: str = "") -> str:
    """The median, and in brackets the least and the most."""
    digits = 2 if max(numbers) < 1 else 1 if max(numbers) < 20 else 0
    ordered = sorted(numbers)
    least, middle, most = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    return f"{middle:,.{digits}f}{unit} ({least:,.{digits}f}-{most:,.{digits}f})"
