"""What processes that send are told, a line of JSON each, and how they obey."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from serving_bench.load import Done, Load

READY = "ready"


@dataclass(frozen=True, slots=True)
class Order:
    """One run.

    Attributes:
        load: How to send.
        kind: Of pictures; see `pictures.KINDS`.
        ads: `fresh`, `repeated_images`, `repeated` or `singles_of_grids`.
        number: Of creatives, for a stream of them; 0 for as many as the time allows.
    """

    load: Load
    kind: str
    ads: str = "fresh"
    number: int = 0

    def to_line(self) -> str:
        """As one line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Order":
        """From the line."""
        fields = json.loads(line)
        return cls(**{**fields, "load": Load(**fields["load"])})


def obey(prepare: Callable[[Order], Callable[[], Done]]) -> None:
    """Carries out the orders of standard input until it ends.

    Each is prepared, then `ready` is printed and a line awaited, so that several processes
    start at once; what came of it is printed as a line of JSON.
    """
    for line in sys.stdin:
        run = prepare(Order.from_line(line))
        print(READY, flush=True)
        sys.stdin.readline()
        print(json.dumps(asdict(run())), flush=True)
