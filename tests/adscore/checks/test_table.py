import csv
from pathlib import Path

import pytest

from adscore.checks import find_placement
from adscore.checks.table import check_table
from adscore.creative import Columns
from adscore.errors import TableError

from .conftest import banner, encoded, rules_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Five creatives in two campaigns; the third's image is gone, two look alike."""
    good, other = encoded(banner()), encoded(banner(text="Cold brew", place=(0.4, 0.7)))
    (tmp_path / "a.png").write_bytes(good)
    (tmp_path / "b.png").write_bytes(other)
    rows = [
        ("1", "Wake up", "a.png", "x"),
        ("2", "Wake up", "b.png", "x"),
        ("3", "Wake up", "gone.png", "y"),
        ("4", "Wake up", "a.png", "y"),
        ("5", "Wake up", "a.png", "x"),
    ]
    path = tmp_path / "creatives.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["creative_id", "headline", "image", "campaign_id"])
        writer.writerows(rows)
    return path


def test_rows_keep_their_order_and_duplicates_are_those_of_one_campaign(table: Path):
    shares: list[float | None] = []
    report = check_table(
        table,
        Columns(),
        find_placement("iab-medium-rectangle"),
        progress=lambda done, share: shares.append(share),
    )
    assert [one.id for one in report.creatives] == ["1", "2", "3", "4", "5"]
    assert [rules_of(one) for one in report.creatives] == [
        set(),
        set(),
        {"image-readable"},
        set(),
        {"near-duplicate"},
    ]
    assert shares[-1] == 1
    assert report.not_checked == ()


def test_missing_column_is_named_before_anything_is_checked(table: Path):
    with pytest.raises(TableError, match="Did you mean 'headline'"):
        check_table(table, Columns(headline="headlin"), find_placement("meta-feed"))
