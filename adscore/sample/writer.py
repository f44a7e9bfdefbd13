"""Writes a simulated campaign log to a folder, whole or not at all."""

import csv
import functools
import multiprocessing
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adscore.sample.banner import draw_banner
from adscore.sample.canvas import FontBook
from adscore.sample.effects import PLANTED_EFFECTS
from adscore.sample.seeds import Stream, generator
from adscore.sample.simulation import SimulatedCreative, SimulationSettings, simulate_log

_LOG_COLUMNS = (
    "creative_id", "campaign_id", "headline", "image", "impressions", "clicks", "conversions",
)  # fmt: skip
_TRUTH_COLUMNS = (
    "creative_id", "campaign_id", "true_ctr", "true_conversion_rate",
    "creative_effect", "image_effect", "headline_effect", "interaction_effect",
)  # fmt: skip

# A process takes a second to start, as long as it takes to draw a hundred banners.
CREATIVES_A_PROCESS = 200
_CHUNK = 100

_README = """\
# THIS IS A SIMULATION

No person saw these ads and nobody clicked on them. Every brand, product, banner, headline and
number in this folder was made up by `adscore sample`. Use it to try the tools and to test models,
never as evidence about advertising.

- {creatives} simulated creatives in {campaigns} simulated campaigns, seed {seed}.
- `creatives.csv`: the simulated log, as a model would get it.
- `images/`: the drawn banners; the `image` column is relative to this folder.
- `truth.csv`: what a model would like to know: the true rates behind the counts (`true_ctr`,
  `true_conversion_rate` per click), the creative term in logits without the campaign effect
  (`creative_effect`) and its parts (`image_effect` + `headline_effect` + `interaction_effect`).
  Never train on it.

## How it was simulated

logit(CTR) = logit({settings.base_ctr}) + campaign offset + creative term

The campaign offset is normal with standard deviation {settings.campaign_sd}. The creative term is
the sum of the effects below, each times (trait - centre).

Conversions per click start from {settings.base_conversion_rate}, with a campaign offset of standard
deviation {settings.campaign_conversion_sd}.

Impressions are log-normal: median {settings.median_impressions:,}, kept from
{settings.min_impressions:,} to {settings.max_impressions:,}.

Clicks and conversions are beta-binomial: the realised rate strays from the true one by
{settings.overdispersion:.0%} of it (standard deviation).

| trait | part | clicks, logits per unit | conversions, logits per unit | centre | meaning |
| --- | --- | --- | --- | --- | --- |
{rows}

Nothing else matters: sizes, brands, slogans, prices, labels, layout and which product is advertised
have no effect here.
"""


@dataclass(frozen=True)
class SampleSummary:
    """What was simulated and where it lies.

    Attributes:
        creatives_path: The simulated log, creatives.csv.
        truth_path: The true rates and planted effects, truth.csv.
        images_dir: The drawn banners.
        readme_path: What was simulated and how.
        creatives: Number of creatives, one banner each.
        campaigns: Number of campaigns.
        impressions: Sum over all creatives.
        clicks: Sum over all creatives.
        conversions: Sum over all creatives.
    """

    creatives_path: Path
    truth_path: Path
    images_dir: Path
    readme_path: Path
    creatives: int
    campaigns: int
    impressions: int
    clicks: int
    conversions: int


def write_sample(
    out_dir: Path,
    *,
    creatives: int = 900,
    campaigns: int = 90,
    seed: int = 0,
    processes: int = 1,
) -> SampleSummary:
    """Simulate a campaign log and write it to a folder.

    The folder gets creatives.csv (creative_id, campaign_id, headline, image, impressions, clicks,
    conversions; `image` is a path relative to the folder), images/ (PNG and JPEG in IAB sizes),
    truth.csv (the true rates and the planted effects in logits) and README.md. The same arguments
    give the same bytes. Everything is written under a temporary name beside `out_dir` and renamed
    at the end.

    Args:
        out_dir: A folder that is missing or empty; missing parents are made.
        creatives: Number of creatives, at least 1.
        campaigns: Number of campaigns, from 1 to `creatives`.
        seed: 0 or more.
        processes: Processes to draw in, for those who start no program that lacks a guard
            (``if __name__ == "__main__"``); few banners are drawn in this one.

    Raises:
        ValueError: An argument is out of range.
        FileExistsError: `out_dir` is a file or a folder with something in it.
        OSError: The folder cannot be written.
    """
    _check_arguments(creatives, campaigns, seed)
    out_dir = Path(out_dir).resolve()
    _check_free(out_dir)
    settings = SimulationSettings()
    log = simulate_log(creatives, campaigns, seed, settings)
    with _whole_or_nothing(out_dir) as folder:
        images = _draw_images(folder, log, seed, processes)
        _write_table(folder / "creatives.csv", _LOG_COLUMNS, map(_log_row, log, images))
        _write_table(folder / "truth.csv", _TRUTH_COLUMNS, map(_truth_row, log))
        readme = _readme(creatives=creatives, campaigns=campaigns, seed=seed, settings=settings)
        (folder / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    return _summarise(out_dir, log, campaigns)


def _check_arguments(creatives: int, campaigns: int, seed: int) -> None:
    if creatives < 1:
        raise ValueError(f"Expected creatives to be at least 1. Received: {creatives}")
    if campaigns < 1:
        raise ValueError(f"Expected campaigns to be at least 1. Received: {campaigns}")
    if campaigns > creatives:
        raise ValueError(
            "Expected at least one creative for each campaign. "
            f"Received: {creatives} creatives for {campaigns} campaigns"
        )
    if seed < 0:
        raise ValueError(f"Expected a seed of 0 or more. Received: {seed}")


def _check_free(out_dir: Path) -> None:
    if out_dir.is_dir():
        if any(out_dir.iterdir()):
            raise FileExistsError(
                f"Expected a new or an empty folder for the simulation. Received: {out_dir}, "
                "which holds files. Name another folder, or delete this one first."
            )
    elif out_dir.exists():
        raise FileExistsError(
            f"Expected a folder for the simulation. Received: {out_dir}, which is a file. "
            "Name another folder."
        )


@contextmanager
def _whole_or_nothing(out_dir: Path) -> Iterator[Path]:
    """A folder beside `out_dir` that takes its name on success and is deleted on failure."""
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile.mkdtemp: its folder, and so the renamed one, would be closed to other users.
    partial = out_dir.with_name(f".{out_dir.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
        if out_dir.exists():
            out_dir.rmdir()  # refuses where something was put there meanwhile
        partial.rename(out_dir)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _draw_images(
    folder: Path, log: Sequence[SimulatedCreative], seed: int, processes: int
) -> list[str]:
    """Draw every banner; returns their paths relative to the folder, in order."""
    (folder / "images").mkdir()
    processes = min(processes, len(log) // CREATIVES_A_PROCESS)
    if processes < 2:
        return _draw(folder, seed, log)
    parts = [log[start : start + _CHUNK] for start in range(0, len(log), _CHUNK)]
    # Started afresh, since a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        drawn = pool.map(functools.partial(_draw, folder, seed), parts)
        return [name for names in drawn for name in names]


def _draw(folder: Path, seed: int, log: Sequence[SimulatedCreative]) -> list[str]:
    """Draw some banners, one by one."""
    fonts = FontBook()
    names = []
    for creative in log:
        rng = generator(seed, Stream.CLUTTER, *creative.position)
        as_jpeg = bool(rng.random() < 0.5)  # libraries of creatives hold both
        name = f"images/{creative.creative_id}.{'jpg' if as_jpeg else 'png'}"
        banner = draw_banner(creative.banner, fonts, rng)
        if as_jpeg:
            banner.save(folder / name, format="JPEG", quality=92, subsampling=0)
        else:
            # Level 3 is twice as fast as the default and makes files 5 % larger.
            banner.save(folder / name, format="PNG", compress_level=3)
        names.append(name)
    return names


def _log_row(creative: SimulatedCreative, image: str) -> tuple[object, ...]:
    return (
        creative.creative_id,
        creative.campaign.campaign_id,
        creative.headline.text,
        image,
        creative.impressions,
        creative.clicks,
        creative.conversions,
    )


def _truth_row(creative: SimulatedCreative) -> tuple[object, ...]:
    effect = creative.effect
    return (
        creative.creative_id,
        creative.campaign.campaign_id,
        f"{creative.true_ctr:.8f}",
        f"{creative.true_conversion_rate:.8f}",
        *(f"{part:.6f}" for part in (effect.click, effect.image, effect.headline)),
        f"{effect.interaction:.6f}",
    )


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def _readme(*, creatives: int, campaigns: int, seed: int, settings: SimulationSettings) -> str:
    """Says what was simulated, so that nobody takes the log for a real one."""
    rows = "\n".join(
        f"| {effect.trait} | {effect.part} | {effect.click:+.2f} | {effect.conversion:+.2f} "
        f"| {effect.centre:g} | {effect.meaning} |"
        for effect in PLANTED_EFFECTS
    )
    return _README.format(
        creatives=creatives, campaigns=campaigns, seed=seed, settings=settings, rows=rows
    )


def _summarise(out_dir: Path, log: Sequence[SimulatedCreative], campaigns: int) -> SampleSummary:
    return SampleSummary(
        creatives_path=out_dir / "creatives.csv",
        truth_path=out_dir / "truth.csv",
        images_dir=out_dir / "images",
        readme_path=out_dir / "README.md",
        creatives=len(log),
        campaigns=campaigns,
        impressions=sum(creative.impressions for creative in log),
        clicks=sum(creative.clicks for creative in log),
        conversions=sum(creative.conversions for creative in log),
    )
