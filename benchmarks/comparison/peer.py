"""A cell of scikit-learn: a good engineer's afternoon on the same features and the same split.

Embeddings, TF-IDF of words and characters and one-hot context, side by side, each block scaled
so that its rows are about of length 1; a linear model; penalty and weighting chosen on the
validation groups. Fitted to the same rows as adscore, so that data are no advantage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from adscore.evaluation import evaluate_agreement
from adscore.training.split import Split
from comparison.figures import Figures, Rates, of_agreement, of_rates, of_test
from comparison.tasks import RANKED, SPEARMAN, Prepared, Task

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Frozen features of every row; None where the task or the column has none."""

    text: NDArray[np.float32] | None
    image: NDArray[np.float32] | None


def run_peer(task: Task, prepared: Prepared, embeddings: Embeddings, split: Split) -> Figures:
    """Fits the linear model that suits the task, and measures it on the test rows."""
    if task.target is None:
        return _retrieve(task, prepared, embeddings, split)
    features = _features(task, prepared, embeddings, split.fitting)
    is_label = int(prepared.counts[1].max()) == 1
    fit = _labels if is_label else _rates
    predict = fit(prepared, features, split)
    return of_test(prepared, Rates(split.test, predict(split.test)), split)


# === Features ===


def _features(
    task: Task, prepared: Prepared, embeddings: Embeddings, fitting: NDArray[np.int64]
) -> sparse.csr_matrix:
    """All blocks side by side, (rows, width); what they learn they learn from fitting rows."""
    blocks = [_words(prepared.headlines, fitting, spaced=task.spaced)]
    if embeddings.text is not None:
        blocks.append(_scaled(embeddings.text, fitting))
    if embeddings.image is not None:
        blocks.append(_scaled(embeddings.image, fitting))
    if prepared.table.context:
        cells = np.array(list(prepared.table.context.values()), dtype=object).T
        encoder = OneHotEncoder(handle_unknown="ignore").fit(cells[fitting])
        blocks.append(encoder.transform(cells) / np.sqrt(cells.shape[1]))
    return sparse.hstack([sparse.csr_matrix(block) for block in blocks], format="csr")


def _scaled(values: Floats, fitting: NDArray[np.int64]) -> Floats:
    scaled: Floats = StandardScaler().fit(values[fitting]).transform(values)
    return scaled / np.sqrt(values.shape[1])


def _words(
    headlines: Sequence[str], fitting: NDArray[np.int64], *, spaced: bool
) -> sparse.csr_matrix:
    if not spaced:
        characters = TfidfVectorizer(
            analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True
        )
        return characters.fit([headlines[row] for row in fitting]).transform(headlines)
    vectorizer = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True),
    )
    vectorizer.fit([headlines[row] for row in fitting])
    return vectorizer.transform(headlines) / np.sqrt(2)


# === Models ===

Predict = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def _rates(prepared: Prepared, features: sparse.csr_matrix, split: Split) -> Predict:
    """Ridge on the log rate, both sides centred inside the groups, if rows share any."""
    successes, trials = prepared.counts
    rows = split.fitting[trials[split.fitting] > 0]
    group = np.unique(prepared.groups[rows], return_inverse=True)[1]
    log_rate = np.log((successes[rows] + 0.5) / (trials[rows] + 1))
    if prepared.pair_groups is None:
        group = np.zeros(len(rows), np.int64)
    inputs = features[rows] - _group_means(features[rows], group)
    target = log_rate - _group_means(log_rate[:, None], group).ravel()
    weightings = (trials[rows] / trials[rows].mean(), np.ones(len(rows)))

    def fitted(penalty: float, weights: NDArray[np.float64]) -> Predict:
        ridge = Ridge(alpha=penalty, fit_intercept=False, solver="lsqr")
        ridge.fit(inputs, target, sample_weight=weights)
        effect = np.exp(features @ ridge.coef_)
        # The level, which centring took away, from the validation rows.
        valid = split.validation
        level = successes[valid].sum() / (trials[valid] @ effect[valid])
        return lambda of: np.clip(level * effect[of], 0, 1)

    candidates = [fitted(penalty, weights) for penalty in PENALTIES for weights in weightings]
    figure = SPEARMAN if prepared.pair_groups is None else RANKED
    return _best(candidates, prepared, split.validation, figure)


def _group_means(values: Any, group: NDArray[np.int64]) -> Any:
    """Mean of each row's group, (rows, width), sparse where the values are."""
    member = sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))))
    means = sparse.diags(1 / np.bincount(group)) @ member @ values
    return means[group]


def _labels(prepared: Prepared, features: sparse.csr_matrix, split: Split) -> Predict:
    """Logistic regression."""
    labels = prepared.counts[0]

    def fitted(penalty: float) -> Predict:
        model = LogisticRegression(C=1 / penalty, max_iter=2000)
        model.fit(features[split.fitting], labels[split.fitting])
        return lambda of: model.predict_proba(features[of])[:, 1]

    # Not by AUC, which knows nothing of overconfidence.
    candidates = [fitted(penalty) for penalty in PENALTIES]
    return _best(candidates, prepared, split.validation, "log_loss", sign=-1)


def _best(
    candidates: Sequence[Predict],
    prepared: Prepared,
    rows: NDArray[np.int64],
    figure: str,
    sign: int = 1,
) -> Predict:
    """The candidate of the highest figure times sign; the first where there is no figure."""
    found = [of_rates(prepared, Rates(rows, predict(rows)))[figure] for predict in candidates]
    return candidates[int(np.argmax([0.0 if value is None else sign * value for value in found]))]


# === Retrieval ===


def _retrieve(task: Task, prepared: Prepared, embeddings: Embeddings, split: Split) -> Figures:
    """Ridge from text features to the image's embedding; images are ranked by cosine."""
    if embeddings.image is None:
        raise ValueError("expected images to search. Received: a task without")
    text = Embeddings(embeddings.text, None)
    inputs = _features(task, prepared, text, split.fitting).toarray().astype(np.float32)
    images = _scaled(embeddings.image, split.fitting)

    def similarity(penalty: float, rows: NDArray[np.int64]) -> Floats:
        ridge = Ridge(alpha=penalty).fit(inputs[split.fitting], images[split.fitting])
        return _unit(ridge.predict(inputs[rows])) @ _unit(images[rows]).T

    def measured(penalty: float, rows: NDArray[np.int64]) -> Figures:
        names = np.array(prepared.headlines, dtype=object)[rows]
        matches = np.argwhere(names[:, None] == names[None, :])
        return of_agreement(evaluate_agreement(similarity(penalty, rows), matches), len(rows))

    recalls = [measured(penalty, split.validation)["recall_at_10"] for penalty in PENALTIES]
    return measured(PENALTIES[int(np.argmax(recalls))], split.test)


def _unit(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
