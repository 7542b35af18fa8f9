"""The figures of a run as one SVG: panels of bars, each with its own scale, for light and dark."""

from xml.sax.saxutils import escape

WIDTH, LABEL, NUMBER, MARGIN = 860, 270, 80, 24
BAR, ROW, HEAD, GAP, TOP = 14, 22, 34, 18, 78
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 18px; font-weight: 600; }
  .panel { font-size: 14px; font-weight: 600; }
  .about { fill: #59636e; }
  .paper { fill: #ffffff; }
  .billfold { fill: #0a6c74; }
  .other { fill: #a9b4be; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .about { fill: #9198a1; }
    .paper { fill: #0d1117; }
    .billfold { fill: #3fb6bf; }
    .other { fill: #57606a; }
  }
"""

Panels = dict[str, list[tuple[str, float]]]


def drawn(title: str, about: str, panels: Panels) -> str:
    """One bar for each figure, in the order in which they were found; Billfold's own stand out."""
    parts: list[str] = []
    y = TOP
    for name, figures in panels.items():
        parts.append(_text(MARGIN, y + 14, name, "panel"))
        y += HEAD
        most = max(value for _, value in figures)
        for label, value in figures:
            parts.append(_bar(y, label, value, value / most))
            y += ROW
        y += GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{y}"/>',
        _text(MARGIN, 34, title, "title"),
        _text(MARGIN, 56, about, "about"),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _bar(y: int, label: str, value: float, share: float) -> str:
    left = MARGIN + LABEL
    long = max(1, round(share * (WIDTH - left - NUMBER - MARGIN)))
    kind = "other" if label.startswith(("floor", "localstripe", "Prism")) else "billfold"
    shown = f"{value:,.0f}" if value >= 20 else f"{value:.1f}"
    return "\n".join((
        _text(left - 10, y + 11, label, "label", "end"),
        f'<rect class="{kind}" x="{left}" y="{y}" width="{long}" height="{BAR}" rx="2"/>',
        _text(left + long + 8, y + 11, shown, "number"),
    ))  # fmt: skip


def _text(x: int, y: int, said: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(said)}</text>'
