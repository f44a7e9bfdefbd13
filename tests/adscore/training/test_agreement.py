"""Trainings that learn how well headline and image fit, through to the bundle and its scores."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from adscore.creative import Creative
from adscore.errors import TrainingError
from adscore.evaluation.table import evaluate_table
from adscore.scoring.preparation import PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training import TrainingOptions, train
from adscore.training.presets import Preset

pytestmark = pytest.mark.slow


def test_agreement_of_a_creative_is_that_of_its_pair(
    aligned_model: Path, creatives: list[Creative]
) -> None:
    scorer = Scorer.open(aligned_model)  # checks the golden agreement too
    assert scorer.has_agreement
    some = creatives[:6]
    agreement = scorer.match(
        [scorer.preparer.required_headline(creative.headline) for creative in some],
        [scorer.preparer.required_image(creative.image) for creative in some],
    )
    assert agreement.shape == (6, 6)
    assert np.abs(agreement).max() <= 1
    assert np.ptp(agreement) > 1e-3
    scores = scorer.score(some)
    received = [score.agreement for score in scores]
    np.testing.assert_allclose(received, np.diag(agreement), atol=1e-5)
    assert all(0 < score.targets["ctr"].mean < 1 for score in scores)


def test_half_a_creative_has_no_agreement(aligned_model: Path, creatives: list[Creative]) -> None:
    scorer = Scorer.open(aligned_model)
    halves = [Creative("Only words", b""), Creative("", creatives[0].image)]
    assert [score.agreement for score in scorer.score(halves)] == [None, None]


def test_without_targets_agreement_alone_is_learned(
    sample_table: CreativeTable,
    tiny_presets: dict[str, Preset],
    creatives: list[Creative],
    tmp_path: Path,
) -> None:
    table = dataclasses.replace(sample_table, successes={}, trials={}, target_columns={})
    options = TrainingOptions(tiny_presets["network"], align=True)
    result = train(table, tmp_path / "model", options)
    assert not (result.path / "head.onnx").exists()
    compared = (result.path / "report.html").read_text().partition(" creatives of ")[0].split()[-1]
    assert int(compared.rpartition(">")[2]) > 0  # the rows whose headline and image were compared
    scorer = Scorer.open(result.path)
    [score] = scorer.score(creatives[:1])
    assert score.targets == {}
    assert score.agreement is not None
    figures = evaluate_table(scorer, table).agreement
    assert figures.recall_at_10 is not None
    found = {"recall_at_1", "recall_at_10", "median_rank", "auc"}
    assert found < set(result.manifest.agreement)
    assert result.manifest.agreement["auc_lower"] <= result.manifest.agreement["auc"]
    card = (result.path / "MODEL_CARD.md").read_text()
    assert "fit together" in card
    assert "(report.html)" in card
    page = (result.path / "report.html").read_text()
    assert "<h1>model, version 1</h1>" in page
    assert "How well headline and image fit" in page


def test_headlines_alone_cannot_be_aligned(
    sample_table: CreativeTable, tiny_presets: dict[str, Preset], tmp_path: Path
) -> None:
    table = dataclasses.replace(sample_table, images=[b""] * len(sample_table))
    options = TrainingOptions(tiny_presets["network"], align=True)
    with pytest.raises(TrainingError, match=r"headlines and images to align.*headline alone"):
        train(table, tmp_path / "model", options)


def test_model_without_agreement_matches_nothing(scorer: Scorer) -> None:
    assert not scorer.has_agreement
    with pytest.raises(ValueError, match="trained with --align"):
        scorer.match([PreparedHeadline("a")], [PreparedImage(np.zeros((64, 64, 3), np.uint8))])
