"""What a creative costs on each server, side by side, as a picture for a page."""

from adscore.report.page import render
from adscore.report.svg import Axis, Chart, Plot, number_axis
from serving_bench.pictures import USUAL
from serving_bench.results import ADSCORE, CEILING, Summary
from serving_bench.systems import PEERS

_STYLE = (
    "<style>svg{background:#fff}text{font:11px sans-serif;fill:#333}.grid{stroke:#ddd}"
    ".axis{stroke:#777}.other{fill:#9db4c8}.ours{fill:#1f6fb2}</style>"
)


def cost(found: Summary) -> str:
    """Bars of CPU time for a creative with 32 callers, each over the ceiling measured beside it."""
    costs = {CEILING: 1.0}
    for name in (ADSCORE, *PEERS):
        section, case = ("score", USUAL) if name == ADSCORE else ("peers", name)
        runs, ceiling = found.find(section, name, case), found.find(section, CEILING, case)
        ratio = found.ratio(runs, ceiling, lambda one: one.cpu_ms)
        if ratio is not None:
            costs[name] = ratio
    names = sorted(costs, key=lambda name: costs[name])
    ticks = [(position, name) for position, name in enumerate(names)]
    plot = Plot(
        Axis(-0.6, len(names) - 0.4, ticks, "server, its clients included"),
        number_axis(0, 1.1 * max(costs.values()), "CPU time / the ceiling's"),
        width=440,
    )
    marks = []
    for position, name in enumerate(names):
        text = f"{costs[name]:.1f}"
        span, heights = (position - 0.35, position + 0.35), (0.0, costs[name])
        marks.append(plot.bar(span, heights, "ours" if name == ADSCORE else "other"))
        marks.append(plot.note(position, costs[name], text, rise=4))
    summary = (
        "CPU time for a creative with 32 callers, as a multiple of the ceiling's; less is better"
    )
    svg = render("chart.svg.jinja", chart=Chart(plot, summary, marks))
    alone = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return alone.replace("</title>", f"</title>{_STYLE}", 1)
