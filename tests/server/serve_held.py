"""`adscore`, with models that begin to score and wait while a file says so.

The environment names the folder in ADSCORE_HELD: a file `hold` there makes them wait, and they make
a file `begun`.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adscore.cli.entry import main
from adscore.scoring.scorer import Scorer

folder = Path(os.environ["ADSCORE_HELD"])
score_prepared = Scorer.score_prepared


def score_when_released(scorer: Scorer, creatives: Sequence[Any]) -> Any:
    while (folder / "hold").exists():
        (folder / "begun").touch()
        time.sleep(0.01)
    return score_prepared(scorer, creatives)


setattr(Scorer, "score_prepared", score_when_released)  # noqa: B010 - for mypy it is a method

if __name__ == "__main__":
    main()
