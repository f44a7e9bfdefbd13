"""What the sections run with: a server, the ceiling beside it, and groups of callers."""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving_bench.load import Load
from serving_bench.orders import Order
from serving_bench.pictures import KINDS, USUAL, Ad, Pictures
from serving_bench.results import CEILING, Measurement, measurement
from serving_bench.workers import Workers
from shared.processes import Running, Usage, adscore_server

CALLERS, PROCESSES, BATCH = 32, 2, 32


@dataclass(frozen=True, slots=True)
class Settings:
    """What all sections share.

    Attributes:
        model: A model's folder.
        pictures: What `draw_pictures` filled.
        seconds: Of one run.
        rounds: Runs of each system.
        cores: Threads of the ceiling.
        all_kinds: Whether all kinds of pictures are sent, or the usual one alone.
        before: A checkout of adscore to compare with; None compares with none.
        before_model: A model's folder, which that checkout trained.
    """

    model: Path
    pictures: Path
    seconds: float
    rounds: int
    cores: int
    all_kinds: bool
    before: Path | None = None
    before_model: Path | None = None


class Bench:
    """Servers of adscore, their callers and the ceiling; as a context manager all are ended.

    `server` is one process, as the command starts it by default; `full_server` is a process for
    each core, as the peers are.

    Args:
        settings: What all sections share.
        record: Told each measurement as it is done.
    """

    def __init__(self, settings: Settings, record: Callable[[Measurement], None]) -> None:
        self.settings = settings
        self._tell = record
        self._rates: dict[tuple[str, str, str], list[float]] = {}
        with ExitStack() as stack:
            self._ceiling = stack.enter_context(self.in_process())
            self.server = stack.enter_context(adscore_server(settings.model))
            self.score = stack.enter_context(self.callers(self.server))
            workers = ("--workers", str(settings.cores))
            self.full_server = stack.enter_context(adscore_server(settings.model, *workers))
            self.full_score = stack.enter_context(self.callers(self.full_server))
            self._warm_up()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def in_process(self, *part: str) -> Workers:
        """The ceiling, or a part of it; see `ceiling.py`."""
        settings = self.settings
        arguments = ["serving_bench.ceiling", str(settings.model), str(settings.pictures)]
        return Workers([*arguments, *part], 1)

    def callers(self, running: Running, transport: str = "", processes: int = PROCESSES) -> Workers:
        """Processes that call a server, by its own transport or another of adscore's."""
        name = f"serving_bench.transports.{transport}" if transport else running.transport
        arguments = ["serving_bench.client", name, running.address, str(self.settings.pictures)]
        return Workers(arguments, processes, running.python, running.project)

    def run(
        self, section: str, system: str, case: str, round_: int, running: Running,
        callers: Workers, order: Order, *, creatives_factor: float = 1,
    ) -> Measurement:  # fmt: skip
        """Has a server called, and records what came of it."""
        done, before, after = callers.run(order, running.process.usage)
        number = round(done.creatives * creatives_factor)
        one = measurement(section, system, case, round_, done, before, after, creatives=number)
        self.record(one)
        return one

    def run_ceiling(
        self, section: str, case: str, round_: int, *, callers: int = 0, batch: int = BATCH,
        workers: Workers | None = None,
    ) -> Measurement:  # fmt: skip
        """The same work in one process, or a part of it by `workers`.

        The pictures are the usual ones unless `case` names others.
        """
        kind = case if case in KINDS else USUAL
        order = Order(Load(self.settings.seconds, callers or self.settings.cores, batch), kind)
        done, before, after = (workers or self._ceiling).run(order, _nothing)
        one = measurement(section, CEILING, case, round_, done, before, after)
        self.record(one)
        return one

    def record(self, one: Measurement) -> None:
        """Keeps its rate, and tells it."""
        self._rates.setdefault((one.section, one.system, one.case), []).append(one.rate)
        self._tell(one)

    def median_rate(self, section: str, system: str, case: str) -> float:
        """Creatives a second, over the rounds that were recorded."""
        return statistics.median(self._rates[section, system, case])

    def any_ad(self) -> Ad:
        """One creative."""
        return next(Pictures(self.settings.pictures, USUAL).ads(0))

    def _warm_up(self) -> None:
        order = Order(Load(self.settings.seconds, CALLERS // PROCESSES), USUAL)
        self._ceiling.run(Order(Load(self.settings.seconds / 2, 1, BATCH), USUAL), _nothing)
        self.score.run(order, _nothing)
        self.full_score.run(order, _nothing)


def _nothing() -> Usage:
    return Usage(0.0, 0.0, 0.0)
