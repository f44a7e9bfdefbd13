"""A week of one new campaign: each morning counts and predictions decide how its traffic is split.

    adscore sample shop
    adscore train shop/creatives.csv model
    python examples/week.py model

The four creatives and their true rates are simulated (`adscore sample`), so that the end can be
compared with an even split and with showing the best one alone.
"""

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from adscore import decide_table
from adscore.sample import write_sample
from adscore.sample.simulation import SimulationSettings, simulate_log

CREATIVES, SEED = 4, 4
DAYS, IMPRESSIONS_A_DAY = 7, 12_000
MONDAY = date(2026, 3, 2)


def main(model: str) -> None:
    """Simulates the week in a folder named `week`."""
    folder = Path("week")
    write_sample(folder, creatives=CREATIVES, campaigns=1, seed=SEED)
    with (folder / "creatives.csv").open(newline="", encoding="utf-8") as file:
        creatives = list(csv.DictReader(file))
    log = simulate_log(CREATIVES, 1, SEED, SimulationSettings())
    rates = np.array([creative.true_ctr for creative in log])
    names = "ABCD"
    print("true rates:", ", ".join(f"{n} {rate:.2%}" for n, rate in zip(names, rates, strict=True)))

    rng = np.random.default_rng(SEED)
    rows: list[dict[str, object]] = [
        day_of(creative, name, MONDAY, 0, 0)
        for creative, name in zip(creatives, names, strict=True)
    ]
    earned = 0.0
    for number in range(DAYS):
        write(folder / "counts.csv", rows)
        decided = decide_table(
            folder / "counts.csv",
            model,
            horizon=(DAYS - number) * IMPRESSIONS_A_DAY,
            date_column="day",
        ).to_pylist()
        day = MONDAY + timedelta(days=number)
        split = ", ".join(f"{row['creative_id']} {row['share']:.0%}" for row in decided)
        print(f"{day:%a}  {decided[0]['status']:<7} next: {split}")
        for creative, name, rate, row in zip(creatives, names, rates, decided, strict=True):
            shown = round(row["share"] * IMPRESSIONS_A_DAY)
            clicked = int(rng.binomial(shown, rate))
            rows.append(day_of(creative, name, day, shown, clicked))
            earned += shown * rate
    total = DAYS * IMPRESSIONS_A_DAY
    print(
        f"clicks to expect of this week: {earned:,.0f}; of an even split "
        f"{total * rates.mean():,.0f}, of the best alone {total * rates.max():,.0f}"
    )


def day_of(
    creative: dict[str, str], name: str, day: date, shown: int, clicked: int
) -> dict[str, object]:
    """A row of the table: one creative on one day."""
    return {
        **creative,
        "creative_id": name,
        "campaign_id": "spring sale",
        "day": day.isoformat(),
        "impressions": shown,
        "clicks": clicked,
    }


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """Writes the counts so far, as an export would have them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
