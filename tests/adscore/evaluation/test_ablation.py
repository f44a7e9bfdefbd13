"""Headlines and images of other rows: exchanged completely, repeatably, and nothing else."""

import numpy as np
import pytest

from adscore.evaluation import table as table_module
from adscore.evaluation.table import Modality, evaluate_table, evaluate_without
from adscore.table import Columns, Target, read_table


@pytest.fixture(scope="module")
def table(sample_dir):
    path = sample_dir / "creatives.csv"
    return read_table(path, Columns(), [Target.parse("ctr=clicks/impressions")])


def exchanged(monkeypatch, table, modality, rows, seed=0):
    """The table that is evaluated."""
    seen = []
    monkeypatch.setattr(table_module, "evaluate_table", lambda _, given, *__: seen.append(given))
    evaluate_without(modality, None, table, rows, seed)
    return seen[0]


@pytest.mark.parametrize("seed", range(5))
def test_every_row_gets_the_image_of_another(monkeypatch, table, seed):
    rows = np.arange(len(table))
    given = exchanged(monkeypatch, table, Modality.IMAGE, rows, seed)
    assert sorted(given.images) == sorted(table.images)
    assert all(new != old for new, old in zip(given.images, table.images, strict=True))
    assert given.headlines == table.headlines
    assert given.successes is table.successes


def test_headlines_are_exchanged_among_the_evaluated_rows(monkeypatch, table):
    rows = np.array([2, 3, 5, 7, 11])
    given = exchanged(monkeypatch, table, Modality.HEADLINE, rows)
    assert sorted(given.headlines[r] for r in rows) == sorted(table.headlines[r] for r in rows)
    others = set(range(len(table))) - set(rows.tolist())
    assert all(given.headlines[row] == table.headlines[row] for row in others)
    assert given.images == table.images


def test_same_seed_gives_the_same_figures_and_differs_from_the_table_as_given(scorer, table):
    rows = np.arange(len(table))
    first = evaluate_without(Modality.HEADLINE, scorer, table, rows, seed=1)
    again = evaluate_without(Modality.HEADLINE, scorer, table, rows, seed=1)
    assert first.to_dict() == again.to_dict()
    assert first.targets != evaluate_table(scorer, table).targets
    assert first.targets["ctr"].pairs == evaluate_table(scorer, table).targets["ctr"].pairs


def test_one_row_keeps_its_own(monkeypatch, table):
    given = exchanged(monkeypatch, table, Modality.IMAGE, np.array([4]))
    assert given.images == list(table.images)


def test_unknown_modality_is_refused():
    with pytest.raises(ValueError, match=r"headline, image, context\. Received: colour"):
        Modality.parse("colour")
