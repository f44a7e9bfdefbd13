"""Throughput of the servers side by side, as a picture for a page."""

from adscore.evaluation.report.markup import Markup, element
from adscore.evaluation.report.svg import Axis, Chart, number_axis
from serving_bench.pictures import USUAL
from serving_bench.results import ADSCORE, CEILING, Summary
from serving_bench.systems import PEERS

_STYLE = Markup(
    "svg{background:#fff}text{font:11px sans-serif;fill:#333}.grid{stroke:#ddd}.axis{stroke:#777}"
    ".other{fill:#9db4c8}.ours{fill:#1f6fb2}.note{text-anchor:middle}"
)


def throughput(found: Summary) -> str:
    """Bars of creatives a second with 32 callers, as shares of the ceiling measured beside each."""
    shares = {CEILING: 1.0}
    for name in (ADSCORE, *PEERS):
        section, case = ("score", USUAL) if name == ADSCORE else ("peers", name)
        runs, ceiling = found.find(section, name, case), found.find(section, CEILING, case)
        share = found.ratio(runs, ceiling, lambda one: one.rate)
        if share is not None:
            shares[name] = share
    names = sorted(shares, key=lambda name: -shares[name])
    ticks = [(position, name) for position, name in enumerate(names)]
    chart = Chart(
        Axis(-0.6, len(names) - 0.4, ticks, "server"),
        number_axis(0, 1.1, "creatives a second / ceiling"),
    )
    marks = [element("style", _STYLE)]
    for position, name in enumerate(names):
        text = f"{shares[name]:.2f}"
        span, heights = (position - 0.35, position + 0.35), (0.0, shares[name])
        marks.append(chart.bar(span, heights, "ours" if name == ADSCORE else "other", text))
        marks.append(chart.note(position, shares[name] + 0.02, text, anchor="middle"))
    summary = "Creatives a second of each server with 32 callers, as a share of the ceiling"
    namespace = '<svg xmlns="http://www.w3.org/2000/svg" '
    return chart.render(summary, marks).replace("<svg ", namespace, 1) + "\n"
