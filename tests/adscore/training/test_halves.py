"""Models of tables without images or without headlines, and of tables with context."""

import dataclasses
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="module")
def of_headlines(
    sample_table: CreativeTable, one_pass: TrainingOptions, tmp_path_factory: Any
) -> Path:
    """A model of a table without images, with a context that is not known of every row."""
    places = [("feed", "stories", "")[row % 3] for row in range(len(sample_table))]
    table = dataclasses.replace(
        sample_table, images=[b""] * len(sample_table), context={"placement": places}
    )
    return train(table, tmp_path_factory.mktemp("headlines") / "model", one_pass).path


def test_table_without_images_trains_a_model_of_headlines(
    of_headlines: Path, creatives: list[Creative]
) -> None:
    assert not (of_headlines / files.IMAGE_ENCODER).exists()
    scorer = Scorer.open(of_headlines)
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
    of_headlines: Path, creatives: list[Creative]
) -> None:
    scorer = Scorer.open(of_headlines)
    headline = dataclasses.replace(creatives[0], image=b"")
    unknown, absent, known = scorer.score(
        [
            dataclasses.replace(headline, context=context)
            for context in ({"placement": "moon"}, {}, {"placement": "feed"})
        ]
    )
    assert unknown.warnings == (*known.warnings, Warning.UNKNOWN_CONTEXT)
    assert absent.warnings == (*known.warnings, Warning.MISSING_CONTEXT)
    assert unknown.targets == absent.targets != known.targets
    with pytest.raises(InvalidCreativeError) as error:
        scorer.score([dataclasses.replace(headline, context={"weather": "rain"})])
    assert error.value.reason is Reason.CONTEXT_NAME_UNKNOWN
