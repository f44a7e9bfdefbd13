"""benchmarks/ceiling.py: it finds what was planted, and nothing in what was not."""

import os
from pathlib import Path

import numpy as np
import pytest

import ceiling
from comparison.tasks import BANNERS, Prepared, prepare

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def planted(folder: Path) -> Prepared:
    """40 campaigns of 8 banners whose rate hangs on the format and on luck, half and half."""
    rng = np.random.default_rng(0)
    formats, languages = rng.integers(0, 4, 320), rng.integers(0, 3, 320)
    luck = rng.normal(size=320)
    logit = -4.5 + 0.2 * (np.array([-1.34, -0.45, 0.45, 1.34])[formats] + luck)
    clicks = rng.binomial(1_000_000, 1 / (1 + np.exp(-logit)))
    names = ("creative_id", "campaign_id", "headline", "asset_file", "format", "vertical")
    names += ("language", "first_7d_impressions", "first_7d_clicks")
    lines = [",".join(names)]
    for row in range(320):
        cells = (row, row // 8, f"headline {row % 5}", "a.png", f"f{formats[row]}", "games")
        cells += (f"l{languages[row]}", 1_000_000, clicks[row])
        lines.append(",".join(map(str, cells)))
    (folder / "banners").mkdir()
    (folder / "banners" / "creatives.csv").write_text("\n".join(lines))
    return prepare(BANNERS, folder, folder)


def test_planted_share_is_found_and_the_rest_is_not_explained(tmp_path: Path):
    prepared = planted(tmp_path)
    log = ceiling.Log(prepared)
    context = {name: np.array(values) for name, values in prepared.table.context.items()}
    one_hot = {
        name: (values[:, None] == np.unique(values)).astype(float)
        for name, values in context.items()
    }
    found = ceiling.explained(log, {"format": one_hot["format"], "language": one_hot["language"]})
    share = {line[0]: float(line[1].rstrip("%")) for line in found[1:]}
    assert share["format"] == pytest.approx(50, abs=10)
    assert share["language"] < 3
    reached = [float(line[1]) for line in ceiling.known(log, one_hot["format"])[1:]]
    assert reached == sorted(reached)
    assert reached[0] < 0.85 < reached[-1]


def test_without_data_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ADSCORE_DATA", raising=False)
    assert ceiling.main([]) == 0
    assert "--data DIR" in capsys.readouterr().out
