"""Models of tables without images or without headlines, and of tables with context."""

import dataclasses
from pathlib import Path

import pytest

from adscore import bundle as files
from adscore.creative import Creative, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training import TrainingOptions, train
from adscore.training.presets import Preset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one_pass(tiny_presets: dict[str, Preset]) -> TrainingOptions:
    return TrainingOptions(preset=dataclasses.replace(tiny_presets["network"], max_epochs=1))


def test_table_without_images_trains_a_model_of_headlines(
    sample_table: CreativeTable,
    one_pass: TrainingOptions,
    creatives: list[Creative],
    tmp_path: Path,
) -> None:
    table = dataclasses.replace(sample_table, images=[b""] * len(sample_table))
    result = train(table, tmp_path / "model", one_pass)
    assert not (result.path / files.IMAGE_ENCODER).exists()
    scorer = Scorer.open(result.path)
    (score,) = scorer.score([dataclasses.replace(creatives[0], image=b"")])
    assert Warning.MISSING_IMAGE not in score.warnings
    with pytest.raises(InvalidCreativeError) as error:
        scorer.score([creatives[0]])
    assert error.value.reason is Reason.IMAGE_NOT_READ


def test_table_without_headlines_trains_a_model_of_images(
    sample_table: CreativeTable,
    one_pass: TrainingOptions,
    creatives: list[Creative],
    tmp_path: Path,
) -> None:
    table = dataclasses.replace(sample_table, headlines=[""] * len(sample_table))
    result = train(table, tmp_path / "model", one_pass)
    assert not (result.path / files.HEADLINE_ENCODER).exists()
    scorer = Scorer.open(result.path)
    (score,) = scorer.score([dataclasses.replace(creatives[0], headline="")])
    assert Warning.MISSING_HEADLINE not in score.warnings
    with pytest.raises(InvalidCreativeError) as error:
        scorer.score([creatives[0]])
    assert error.value.reason is Reason.HEADLINE_NOT_READ


def test_value_of_context_that_training_never_saw_scores_as_none(
    sample_table: CreativeTable,
    one_pass: TrainingOptions,
    creatives: list[Creative],
    tmp_path: Path,
) -> None:
    places = [("feed", "stories", "")[row % 3] for row in range(len(sample_table))]
    table = dataclasses.replace(sample_table, context={"placement": places})
    scorer = Scorer.open(train(table, tmp_path / "model", one_pass).path)
    unknown, absent, known = scorer.score(
        [
            dataclasses.replace(creatives[0], context=context)
            for context in ({"placement": "moon"}, {}, {"placement": "feed"})
        ]
    )
    assert unknown.warnings == (*known.warnings, Warning.UNKNOWN_CONTEXT)
    assert absent.warnings == (*known.warnings, Warning.MISSING_CONTEXT)
    assert unknown.targets == absent.targets != known.targets
    with pytest.raises(InvalidCreativeError) as error:
        scorer.score([dataclasses.replace(creatives[0], context={"weather": "rain"})])
    assert error.value.reason is Reason.CONTEXT_NAME_UNKNOWN
