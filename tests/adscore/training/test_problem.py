import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.bundle import Present
from adscore.creative import InputLimits
from adscore.errors import TableError, TrainingError
from adscore.scoring.image import ImageSize, decode
from adscore.table import CreativeTable
from adscore.training import images as training_images
from adscore.training.presets import DEFAULT
from adscore.training.problem import (
    TrainingOptions,
    load_training_data,
    read_problem,
)
from adscore.training.split import split_groups

SIZE = ImageSize(16, 24)
EITHER = dataclasses.replace(  # a headline or an image alone will do
    DEFAULT,
    preprocessing=dataclasses.replace(DEFAULT.preprocessing, image_height=16, image_width=24),
)
BOTH = dataclasses.replace(EITHER, modality_dropout=0.0)

MakeTable = Callable[..., CreativeTable]

# === load_training_data ===


def test_rows_keep_their_order_counts_and_pixels(sample_table: CreativeTable) -> None:
    data = load_training_data(sample_table, BOTH)
    assert len(data) == len(sample_table)
    assert list(data.headlines) == list(sample_table.headlines)
    assert [data.group_names[group] for group in data.groups] == list(sample_table.group_names)
    for row in (0, 31, 59):
        expected, _ = decode(sample_table.creative(row).image, SIZE, InputLimits())
        np.testing.assert_array_equal(data.images[data.image_index[row]], expected)
    for column, name in enumerate(("ctr", "cvr")):
        np.testing.assert_array_equal(data.successes[:, column], sample_table.successes[name])
        np.testing.assert_array_equal(data.trials[:, column], sample_table.trials[name])


def test_an_image_of_many_rows_is_decoded_once(
    make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting_decode(*arguments: object) -> object:
        calls.append(arguments)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training_images, "decode", counting_decode)
    first, second = make_table(2).images
    table = make_table(5, images=[first, second, first, first, second])
    data = load_training_data(table, BOTH)
    assert len(calls) == len(data.images) == 2
    assert data.image_index.tolist() == [0, 1, 0, 0, 1]


def test_context_is_known_by_the_fitted_rows_alone(make_table: MakeTable) -> None:
    count = 30
    places = [f"place of {row // 3}" for row in range(count)]
    formats = ["square", "wide", ""] * (count // 3)
    table = dataclasses.replace(
        make_table(count, groups=places), context={"placement": places, "format": formats}
    )
    whole = read_problem(table, TrainingOptions(preset=BOTH))
    assert set(whole.data.context["placement"]) == set(places)
    read = whole.on(whole.one_split())
    data, fitted = read.data, set(read.split.fitting.tolist())
    known = data.context["placement"]
    assert set(known) == {places[row] for row in fitted} < set(places)
    assert data.context["format"] == ("square", "wide")
    for row in range(count):
        expected = known.index(places[row]) + 1 if places[row] in known else 0
        assert data.context_ids[row, 0] == expected
        assert data.present[row, Present.CONTEXT] == data.context_ids[row].any()


def test_every_broken_row_is_named_with_its_field_and_reason(
    make_table: MakeTable, tmp_path: Path
) -> None:
    good = make_table(6)
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [*good.images]
    images[1], images[4] = str(tmp_path / "missing.png"), str(tmp_path / "broken.png")
    images[2] = b""
    headlines = [*good.headlines]
    headlines[0], headlines[4] = " ", "half of a pair: \ud800"
    with pytest.raises(TableError) as error:
        load_training_data(make_table(6, images=images, headlines=headlines), BOTH)
    lines = str(error.value).splitlines()
    assert [line.split("row ")[1].split(" ")[0] for line in lines] == ["1", "2", "3", "5", "5"]
    assert "headline: expected text. Received: none" in lines[0]
    assert "missing.png" in lines[1]
    assert "image: expected an encoded image. Received: none" in lines[2]
    assert "headline:" in lines[3]
    assert "image:" in lines[4]


def test_images_that_are_all_elsewhere_are_asked_for_by_their_folder(make_table: MakeTable) -> None:
    with pytest.raises(TableError) as error:
        load_training_data(make_table(3, images=["a.png", "b.png", "c.png"]), BOTH)
    assert str(error.value).endswith("another folder, name it with --image-root")


def test_broken_image_of_several_rows_is_an_error_of_each(make_table: MakeTable) -> None:
    good = make_table(9)
    with pytest.raises(TableError) as error:
        load_training_data(
            make_table(9, images=[good.images[0], *[b"no image"] * 7, good.images[1]]),
            BOTH,
        )
    lines = str(error.value).splitlines()
    assert [f"row {row} " in line for row, line in enumerate(lines[:5], start=2)] == [True] * 5
    assert lines[5:] == ["and 2 more rows"]


def test_half_a_creative_is_a_row_where_the_network_does_without(make_table: MakeTable) -> None:
    good = make_table(4)
    images, headlines = [b"", *good.images[1:]], [good.headlines[0], "", *good.headlines[2:]]
    table = make_table(4, images=images, headlines=headlines)
    data = load_training_data(table, EITHER)
    assert data.present.tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0]]
    with pytest.raises(TableError) as error:
        load_training_data(table, BOTH)
    first, second = str(error.value).splitlines()
    assert "row 1 " in first
    assert "image: expected an encoded image. Received: none" in first
    assert "row 2 " in second
    assert "headline: expected text. Received: none" in second


def test_a_row_of_neither_headline_nor_image_is_named(make_table: MakeTable) -> None:
    good = make_table(4)
    table = make_table(4, images=[b"", *good.images[1:]], headlines=["", *good.headlines[1:]])
    with pytest.raises(TableError, match=r"row 1 .*an image or both\. Received: neither"):
        load_training_data(table, EITHER)


def test_a_group_for_each_row_is_no_grouping(make_table: MakeTable) -> None:
    rows = [str(row) for row in range(12)]
    assert not load_training_data(make_table(), BOTH).is_grouped
    assert not load_training_data(make_table(groups=rows), BOTH).is_grouped
    rows[0] = rows[1]
    assert load_training_data(make_table(groups=rows), BOTH).is_grouped


def test_outcomes_number_their_groups_anew(make_table: MakeTable) -> None:
    data = load_training_data(make_table(6, groups=["c", "a", "b", "b", "c", "a"]), BOTH)
    rows = np.array([0, 2, 3])
    outcomes = data.outcomes(rows)
    assert outcomes.groups.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(outcomes.successes, data.successes[rows])
    np.testing.assert_array_equal(outcomes.trials, data.trials[rows])
    assert outcomes.grouped


# === split_groups ===

shares = st.sampled_from([0.01, 0.15, 0.2, 0.35, 0.49])


def numbered(labels: list[int]) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]


@given(
    st.lists(st.integers(0, 20), min_size=3, max_size=80).filter(lambda g: len(set(g)) > 2),
    shares | st.just(0.0),
    shares,
    st.integers(0, 2**32 - 1),
)
def test_split_keeps_each_row_once_and_each_group_whole(
    labels: list[int], test: float, validation: float, seed: int
) -> None:
    groups = numbered(labels)
    split = split_groups(groups, test=test, validation=validation, seed=seed)
    parts = [split.fitting, split.validation, split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    found = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, found)) == len(set(labels))
    assert len(found[0]) > 0
    assert len(found[1]) > 0
    assert bool(found[2]) == (test > 0)
    count = len(set(labels))
    if count >= 20:
        assert len(found[2]) == pytest.approx(test * count, abs=1)
        assert len(found[1]) == pytest.approx(validation * count, abs=1)


def test_split_takes_the_shares_of_groups_not_of_rows() -> None:
    groups = np.repeat(np.arange(100), np.arange(1, 101))
    split = split_groups(groups, test=0.2, validation=0.15, seed=0)
    assert [len(np.unique(groups[part])) for part in (split.fitting, split.validation, split.test)]\
        == [65, 15, 20]  # fmt: skip


def test_split_follows_its_seed() -> None:
    groups = np.repeat(np.arange(40), 3)
    first, again, other = (
        split_groups(groups, test=0.2, validation=0.15, seed=seed) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.test, again.test)
    np.testing.assert_array_equal(first.validation, again.validation)
    assert first.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_groups_cannot_be_split(count: int) -> None:
    groups = np.arange(30) % count
    with pytest.raises(TrainingError, match=f"at least 3 groups.*Received: {count}"):
        split_groups(groups, test=0.2, validation=0.15, seed=0)
