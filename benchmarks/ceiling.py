"""What sets the creatives of one campaign apart, as far as their columns and pixels tell?

    make bench ONLY=ceiling ARGS="--data DIR --encoders DIR"

For the banners: the share of the variance of log rates inside campaigns that each column explains
on campaigns left out, what is left beyond the format, and how well pairs would be ranked if a share
of that rest were known. It uses every campaign and fits no model that is reported elsewhere.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from adscore.table import Columns
from comparison.features import image_embeddings
from comparison.figures import Rates, of_rates
from comparison.heads import Floats
from comparison.options import NO_DATA, data_parser, encoder_folders
from comparison.results import format_table
from comparison.tasks import BANNERS, RANKED, Prepared, prepare

FIRST = "format"
OTHERS = ("vertical", "language", "subhead", "cta_text", "advertiser_name")
FOLDS = 10
PENALTIES = (3.0, 30.0, 300.0, 3000.0)
KNOWN_SHARES = (0.0, 0.1, 0.15, 0.2, 0.3, 0.5)
DRAWS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both tables; returns the exit status."""
    options = data_parser("Says what features can tell inside campaigns.").parse_args(arguments)
    if options.data is None:
        print(NO_DATA)
        return 0
    columns = replace(BANNERS.columns, context=(FIRST, *OTHERS))
    prepared = _read(options.data, columns, options.max_rows)
    log = Log(prepared)
    blocks = _blocks(prepared, encoder_folders(options)[1])
    _print(explained(log, blocks), options)
    _print(known(log, blocks[FIRST]), options)
    return 0


def _read(data: Path, columns: Columns, max_rows: int | None) -> Prepared:
    with tempfile.TemporaryDirectory(prefix="ceiling-") as scratch:
        return prepare(replace(BANNERS, columns=columns), data, Path(scratch), max_rows)


def _print(lines: Sequence[Sequence[str]], options: argparse.Namespace) -> None:
    print(format_table(lines, markdown=options.markdown), end="\n\n")


class Log:
    """Log rates of a table, centred inside groups."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._groups = prepared.groups
        successes, trials = prepared.counts
        self.rows = np.arange(len(trials))
        self.rate = self.centred(np.log((successes + 0.5) / (trials + 1)))
        dealt = np.random.default_rng(0).permutation(self._groups.max() + 1) % FOLDS
        self._fold = dealt[self._groups]

    def centred(self, values: Floats) -> Floats:
        """Each row, or each row's column, less the mean of its group."""
        count = np.bincount(self._groups)
        columns = values.reshape(len(values), -1).T
        means = np.stack([np.bincount(self._groups, column) / count for column in columns], axis=1)
        result: Floats = values - means[self._groups].reshape(values.shape)
        return result

    def left_out(self, features: Floats, goal: Floats, penalty: float) -> Floats:
        """What a ridge says of groups it was not fitted to, (rows,)."""
        inside, said = self.centred(features), np.zeros(len(goal))
        for fold in range(FOLDS):
            fit = self._fold != fold
            model = Ridge(alpha=penalty, fit_intercept=False).fit(inside[fit], goal[fit])
            said[~fit] = model.predict(inside[~fit])
        return said

    def best(self, features: Floats, goal: Floats) -> Floats:
        """The same with the penalty that explains most, which flatters it."""
        found = [self.left_out(features, goal, penalty) for penalty in PENALTIES]
        return min(found, key=lambda said: float(((goal - said) ** 2).sum()))

    def ranked(self, said: Floats) -> float:
        """Share of the significant pairs that are ranked right."""
        figures = of_rates(self._prepared, Rates(self.rows, expit(said - 5)))
        return float(figures[RANKED] or 0.0)


def _blocks(prepared: Prepared, image_encoder: str) -> dict[str, Floats]:
    """Features by name, (rows, width) each."""
    cells = {**prepared.table.context, "headline": prepared.headlines}
    blocks = {
        name: OneHotEncoder(sparse_output=False).fit_transform(np.array([values], object).T)
        for name, values in cells.items()
    }
    crossed = [f"{a} / {b}" for a, b in zip(cells[FIRST], cells["vertical"], strict=True)]
    encoder = OneHotEncoder(sparse_output=False)
    blocks[f"{FIRST} x vertical"] = encoder.fit_transform(np.array([crossed], object).T)
    image = image_embeddings(prepared, image_encoder)
    blocks["image"] = StandardScaler().fit_transform(image) / np.sqrt(image.shape[1]) * 10
    return blocks


def explained(log: Log, blocks: dict[str, Floats]) -> list[list[str]]:
    """Of each block: the share it explains alone, and of what the format leaves."""
    first = log.best(blocks[FIRST], log.rate)
    rest = log.rate - first
    lines = [["known of a creative", "variance explained", "of the rest", "pairs, with the format"]]
    for name, features in sorted(blocks.items(), key=lambda item: item[0] != FIRST):
        alone = _share(log.rate, log.best(features, log.rate))
        added = log.best(features, rest) if name != FIRST else np.zeros(len(rest))
        of_rest = "" if name == FIRST else f"{_share(rest, added):.1%}"
        lines.append([name, f"{alone:.1%}", of_rest, f"{log.ranked(first + added):.3f}"])
    return lines


def _share(goal: Floats, said: Floats) -> float:
    share = 1 - float(((goal - said) ** 2).sum() / (goal**2).sum())
    return round(share, 3) + 0.0  # no minus before a zero


def known(log: Log, features: Floats) -> list[list[str]]:
    """Accuracy if, beyond the format, a share of the variance were known; simulated noise."""
    first = log.best(features, log.rate)
    rest = log.rate - first
    rng = np.random.default_rng(0)
    lines = [["share of the rest that is known (simulated)", "significant pairs ranked right"]]
    for share in KNOWN_SHARES:
        noise = np.sqrt(share * (1 - share)) * rest.std()
        drawn = rng.normal(size=(DRAWS, len(rest)))
        reached = [log.ranked(first + share * rest + noise * draw) for draw in drawn]
        lines.append([f"{share:.0%}", f"{np.mean(reached):.3f}"])
    return lines


if __name__ == "__main__":
    sys.exit(main())
