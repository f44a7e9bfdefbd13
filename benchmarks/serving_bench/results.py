"""What was measured, a JSON line each, and how it is summed up."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from serving_bench.load import Done
from shared.processes import Usage

CEILING, ADSCORE, BEFORE, EMPTY = "ceiling", "adscore", "before", "empty call"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one system.

    Attributes:
        section: What question it belongs to.
        system: `ceiling`, `adscore` or a peer.
        case: Which of the section's cases, e.g. the kind of pictures.
        round: Runs of one round follow each other, so that their ratio holds on a noisy machine.
        creatives: Number that was scored; 0 where the system does not run here.
        seconds: What that took.
        p50_ms: Median latency of a call; None where there are no calls, as of a stream.
        p95_ms: The same, 95th percentile.
        p99_ms: The same, 99th percentile.
        server_cpu_ms: CPU time of the server for each creative.
        client_cpu_ms: CPU time of what sends for each creative.
        rss_mb: Resident memory of the server at the end.
        peak_rss_mb: The highest so far.
        note: Why the system does not run here.
    """

    section: str
    system: str
    case: str
    round: int
    creatives: int
    seconds: float
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    server_cpu_ms: float = 0.0
    client_cpu_ms: float = 0.0
    rss_mb: float = 0.0
    peak_rss_mb: float = 0.0
    note: str = ""

    @property
    def rate(self) -> float:
        """Creatives a second."""
        return self.creatives / self.seconds if self.seconds else 0.0

    @property
    def cpu_ms(self) -> float:
        """CPU time of server and sender for each creative."""
        return self.server_cpu_ms + self.client_cpu_ms


def measurement(
    section: str, system: str, case: str, round_: int, done: Done, before: Usage, after: Usage,
    *, creatives: int = 0,
) -> Measurement:  # fmt: skip
    """Puts together what a run gave; `creatives` where a call scores more than it sends."""
    number = creatives or done.creatives
    cuts = [None] * 3
    if len(done.latencies_ms) > 1:
        percentiles = statistics.quantiles(done.latencies_ms, n=100, method="inclusive")
        cuts = [round(percentiles[place], 3) for place in (49, 94, 98)]
    return Measurement(
        section, system, case, round_, number, round(done.seconds, 4), *cuts,
        server_cpu_ms=round((after.cpu_seconds - before.cpu_seconds) * 1000 / number, 4),
        client_cpu_ms=round(done.cpu_seconds * 1000 / number, 4),
        rss_mb=round(after.rss_mb, 1),
        peak_rss_mb=round(after.peak_rss_mb, 1),
    )  # fmt: skip


# === The file ===


def start_file(path: Path, machine: dict[str, str]) -> None:
    """A new file; its first line says where it was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(machine) + "\n", encoding="utf-8")


def append(path: Path, one: Measurement) -> None:
    """Adds a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one)) + "\n")


def read_file(path: Path) -> tuple[dict[str, str], list[Measurement]]:
    """The machine, and what was measured.

    Raises:
        ValueError: A line is none of these.
    """
    machine: dict[str, str] = {}
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            fields = json.loads(line)
            if number == 1:
                machine = fields
            else:
                found.append(Measurement(**fields))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: expected a measurement: {error}") from error
    return machine, found


# === Summing up ===


class Summary:
    """What was measured, asked by section, system and case."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self.all = list(measurements)

    def find(self, section: str, system: str = ADSCORE, case: str = "") -> list[Measurement]:
        """Those that worked, by round."""
        return [
            one
            for one in self.all
            if (one.section, one.system, one.case) == (section, system, case) and one.creatives
        ]

    @staticmethod
    def median(
        found: Sequence[Measurement], value: Callable[[Measurement], float | None]
    ) -> float | None:
        """Median over rounds; None where nothing was measured."""
        values = [number for one in found if (number := value(one)) is not None]
        return statistics.median(values) if values else None

    @staticmethod
    def ratio(
        upper: Sequence[Measurement],
        lower: Sequence[Measurement],
        value: Callable[[Measurement], float],
    ) -> float | None:
        """Median over rounds of the ratio inside each; None where nothing was measured."""
        by_round = {one.round: value(one) for one in lower}
        ratios = [value(one) / by_round[one.round] for one in upper if by_round.get(one.round)]
        return statistics.median(ratios) if ratios else None
