"""Recall, rank and AUC of an agreement matrix, against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.evaluation import AgreementMetrics, evaluate_agreement
from adscore.evaluation import agreement as module
from adscore.evaluation.agreement import example_retrievals


@st.composite
def matrices(draw):
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 14))
    values = draw(st.lists(st.integers(-3, 3), min_size=n * m, max_size=n * m))
    cells = draw(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), min_size=1, max_size=8)
    )
    return np.array(values, dtype=float).reshape(n, m), cells


def by_definition(agreement, matches):
    matches = set(matches)
    ranks = []
    for row in sorted({row for row, _ in matches}):
        best = max(agreement[cell] for cell in matches if cell[0] == row)
        others = [
            agreement[row, column]
            for column in range(agreement.shape[1])
            if (row, column) not in matches
        ]
        ranks.append(1 + sum((v > best) + (v == best) / 2 for v in others))
    unmatched = [agreement[cell] for cell in np.ndindex(agreement.shape) if cell not in matches]
    wins = [(agreement[c] > v) + (agreement[c] == v) / 2 for c in matches for v in unmatched]
    return AgreementMetrics(
        recall_at_1=np.mean([rank <= 1 for rank in ranks]),
        recall_at_10=np.mean([rank <= 10 for rank in ranks]),
        median_rank=np.median(ranks),
        auc=np.mean(wins) if wins else None,
    )


@given(matrices(), st.sampled_from([1, 20, 10**6]))
def test_figures_are_those_of_the_definition(drawn, block_cells):
    agreement, matches = drawn
    expected = by_definition(agreement, matches).values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_CELLS", block_cells)
        assert evaluate_agreement(agreement, matches).values == pytest.approx(expected)


@given(matrices())
def test_order_and_scale_do_not_matter(drawn):
    agreement, matches = drawn
    turned = [(len(agreement) - 1 - row, column) for row, column in reversed(matches)]
    same = evaluate_agreement(np.exp(agreement[::-1]), turned).values
    assert same == pytest.approx(evaluate_agreement(agreement, matches).values)


@pytest.mark.parametrize(("rivals_above", "found"), [(9, 1), (10, 0)])
def test_tenth_place_is_the_last_that_counts(rivals_above, found):
    agreement = np.array([[0.5] + [0.9] * rivals_above + [0.1] * 5])
    metrics = evaluate_agreement(agreement, [(0, 0)])
    assert metrics.median_rank == rivals_above + 1
    assert metrics.recall_at_10 == found


def test_diagonal_is_the_default_match():
    agreement = np.eye(12) + np.roll(np.eye(12), 1, axis=1) * 2
    metrics = evaluate_agreement(agreement)
    assert (metrics.recall_at_1, metrics.recall_at_10, metrics.median_rank) == (0, 1, 2)
    assert evaluate_agreement(np.eye(12)).values == {
        "recall_at_1": 1.0,
        "recall_at_10": 1.0,
        "median_rank": 1.0,
        "auc": 1.0,
    }


def test_constant_agreement_ranks_in_the_middle():
    metrics = evaluate_agreement(np.zeros((101, 101), np.float32))
    assert metrics.values == {
        "recall_at_1": 0.0,
        "recall_at_10": 0.0,
        "median_rank": 51.0,
        "auc": 0.5,
    }


def test_signal_in_noise_is_measured():
    rng = np.random.default_rng(0)
    agreement = rng.normal(size=(2000, 2000)).astype(np.float32) + 3 * np.eye(
        2000, dtype=np.float32
    )
    metrics = evaluate_agreement(agreement)
    # A match is N(3, 1) and a rival N(0, 1): AUC is Φ(3 / √2).
    assert metrics.auc == pytest.approx(0.9831, abs=0.003)
    assert 0.2 < metrics.recall_at_1 < 0.5 < metrics.recall_at_10 < 0.8


def test_what_has_no_meaning_is_none():
    nothing = AgreementMetrics(None, None, None, None)
    assert evaluate_agreement(np.empty((0, 0))) == nothing
    assert evaluate_agreement(np.zeros((3, 4)), []) == nothing
    assert evaluate_agreement(np.zeros((1, 1))).auc is None


@pytest.mark.parametrize(
    ("agreement", "matches", "words"),
    [
        (np.zeros(3), None, r"agreement: expected \(n, m\)"),
        (np.full((2, 2), np.nan), None, "agreement: expected finite"),
        (np.zeros((2, 3)), None, "matches: expected with a matrix of 2 x 3"),
        (np.zeros((2, 3)), [(0, 3)], "matches: expected cells inside 2 x 3"),
        (np.zeros((2, 3)), [(-1, 0)], "matches: expected cells inside 2 x 3"),
        (np.zeros((2, 3)), [0, 1], "matches: expected whole numbers"),
        (np.zeros((2, 3)), [(0.5, 1.0)], "matches: expected whole numbers"),
    ],
)
def test_wrong_arguments_are_refused(agreement, matches, words):
    with pytest.raises(ValueError, match=words):
        evaluate_agreement(agreement, matches)


def test_examples_are_of_each_kind_and_in_order_of_fit():
    agreement = np.random.default_rng(0).normal(size=(60, 60))
    agreement[np.diag_indices(60)] += np.repeat([9, 1.6, -9], 20)
    matches = np.repeat(np.arange(60)[:, None], 2, axis=1)
    examples = example_retrievals(agreement, matches, np.arange(60), each=2, found=3)
    kinds = [1 if one.rank <= 1 else 2 if one.rank <= 10 else 3 for one in examples]
    assert kinds == [1, 1, 2, 2, 3, 3]
    assert len({one.row for one in examples}) == 6
    for one in examples:
        exact = np.argsort(-agreement[one.row])
        assert one.found == tuple(exact[:3])
        assert one.rank == 1 + np.flatnonzero(exact == one.row)[0]


def test_examples_leave_out_rows_without_a_match():
    matches = np.array([[1, 0]])
    (only,) = example_retrievals(np.eye(3)[:, ::-1], matches, np.arange(3), found=9)
    assert (only.row, only.found) == (1, (1, 0, 2))
