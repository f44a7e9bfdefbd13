import itertools
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore.sample.banner import BannerDesign, design_banner, draw_banner
from adscore.sample.canvas import FontBook
from adscore.sample.catalogue import IAB_SIZES, PALETTE_FAMILIES, PRODUCT_LINES
from adscore.sample.effects import PLANTED_EFFECTS, planted_effect, traits
from adscore.sample.headline import HeadlineStyle, write_headline
from adscore.sample.layout import Box, arrange
from adscore.sample.seeds import Stream, generator
from adscore.sample.shapes import SHAPES
from adscore.sample.simulation import SimulatedCreative, SimulationSettings, simulate_log

PRODUCTS = tuple(itertools.chain.from_iterable(PRODUCT_LINES))


@pytest.fixture(scope="module")
def full_log() -> tuple[SimulatedCreative, ...]:
    """The default sample without its pixels."""
    return simulate_log(900, 90, 0, SimulationSettings())


def some_design(seed: int) -> BannerDesign:
    log = simulate_log(1, 1, seed, SimulationSettings())
    return design_banner(log[0].campaign.banner_style, generator(seed, Stream.BANNER))


# === Simulation ===


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**64))
def test_counts_are_consistent_for_any_size_and_seed(campaigns: int, extra: int, seed: int) -> None:
    limits = SimulationSettings()
    log = simulate_log(campaigns + extra, campaigns, seed, limits)
    assert len(log) == campaigns + extra
    assert len({creative.campaign.campaign_id for creative in log}) == campaigns
    for creative in log:
        assert limits.min_impressions <= creative.impressions <= limits.max_impressions
        assert 0 <= creative.conversions <= creative.clicks <= creative.impressions


def test_campaign_is_coherent(full_log: tuple[SimulatedCreative, ...]) -> None:
    by_campaign = defaultdict(list)
    for creative in full_log:
        by_campaign[creative.campaign.campaign_id].append(creative)
    for creatives in by_campaign.values():
        style = creatives[0].campaign.banner_style
        assert len(creatives) == 10
        assert all(creative.banner.style == style for creative in creatives)
        assert len({creative.banner.size for creative in creatives}) <= 2
        assert len({creative.headline.text for creative in creatives}) > 5


def test_sample_has_the_spread_it_promises(full_log: tuple[SimulatedCreative, ...]) -> None:
    effects = np.array([creative.effect.click for creative in full_log]).reshape(90, 10)
    offsets = np.array([creative.campaign.click_offset for creative in full_log[::10]])
    impressions = np.array([creative.impressions for creative in full_log])
    rates = np.array([creative.true_ctr for creative in full_log])
    assert 0.35 < effects.std(axis=1, ddof=1).mean() < 0.45
    assert abs(effects.mean()) < 0.05
    assert 0.4 < offsets.std() < 0.6
    assert 15_000 < np.median(impressions) < 27_000
    assert 0.008 < np.median(rates) < 0.013


def test_planted_effects_are_recovered_by_a_regression_on_the_traits(
    full_log: tuple[SimulatedCreative, ...],
) -> None:
    names = [effect.trait for effect in PLANTED_EFFECTS]
    values = [traits(creative.banner, creative.headline) for creative in full_log]
    features = np.array([[row[name] for name in names] for row in values])
    trials = np.array([creative.impressions for creative in full_log], dtype=np.float64)
    clicks = np.array([creative.clicks for creative in full_log], dtype=np.float64)
    log_odds = np.log((clicks + 0.5) / (trials - clicks + 0.5))
    # Binomial variance of a log-odds, and the simulation's own over-dispersion.
    weights = 1 / (1 / (clicks + 0.5) + SimulationSettings().overdispersion ** 2)

    features, log_odds = (centre_in_campaigns(array, weights) for array in (features, log_odds))
    gram = features.T @ (weights[:, np.newaxis] * features)
    found = np.linalg.solve(gram, features.T @ (weights * log_odds))
    errors = np.sqrt(np.diag(np.linalg.inv(gram)))
    planted = np.array([effect.click for effect in PLANTED_EFFECTS])
    assert np.all(np.abs(found - planted) < 4 * errors)
    assert np.all(np.sign(found) == np.sign(planted))
    explained = 1 - np.average((log_odds - features @ found) ** 2, weights=weights) / np.average(
        log_odds**2, weights=weights
    )
    assert explained > 0.85


def centre_in_campaigns(array: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(900, ...) minus the weighted mean of each run of ten rows."""
    blocks = array.reshape(90, 10, -1)
    means = np.average(blocks, axis=1, weights=np.broadcast_to(
        weights.reshape(90, 10, 1), blocks.shape), keepdims=True)  # fmt: skip
    return (blocks - means).reshape(array.shape)


def ranking_accuracy(log: tuple[SimulatedCreative, ...], scores: list[float]) -> float:
    """Share of pairs inside campaigns that the scores order as the observed rates do."""
    right = total = 0
    for first, second in itertools.combinations(range(len(log)), 2):
        if log[first].campaign is not log[second].campaign:
            continue
        rates = [log[index].clicks / log[index].impressions for index in (first, second)]
        total += 1
        right += (rates[0] - rates[1]) * (scores[first] - scores[second]) > 0
    return right / total


def test_truth_ranks_observed_rates_inside_campaigns_far_better_than_chance() -> None:
    log = simulate_log(200, 20, 1, SimulationSettings())
    effects = [creative.effect for creative in log]
    best = ranking_accuracy(log, [effect.click for effect in effects])
    assert best > 0.85
    for part in ("image", "headline"):
        alone = ranking_accuracy(log, [getattr(effect, part) for effect in effects])
        assert 0.58 < alone < best - 0.1


def test_price_badge_helps_a_discount_headline_more_than_another() -> None:
    style = HeadlineStyle(PRODUCTS[0], PRODUCTS[1], title_case=False)
    headline = write_headline(style, np.random.default_rng(0))
    design = some_design(0)
    gain = {
        discount: planted_effect(replace(design, price_badge=True), words).click
        - planted_effect(replace(design, price_badge=False), words).click
        for discount in (True, False)
        for words in [replace(headline, discount=discount)]
    }
    assert gain[True] > gain[False] > 0


# === Words and pixels ===


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(PRODUCT_LINES), st.booleans())
def test_headline_shows_its_traits(seed: int, line: tuple[Any, Any], title_case: bool) -> None:
    headline = write_headline(HeadlineStyle(*line, title_case), np.random.default_rng(seed))
    text = headline.text.lower()
    assert headline.discount == ("%" in text)
    assert headline.question == ("?" in text)
    numbers = sum(word.strip(".%")[0].isdigit() for word in text.split())
    assert headline.discount + headline.figure == numbers
    named = {product for product in PRODUCTS if any(noun in text for noun in product.nouns)}
    assert named == ({headline.named} if headline.named else set())
    assert 2 <= headline.words <= 24
    assert "{" not in text
    assert "  " not in text


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", IAB_SIZES)
def test_layout_stays_on_the_banner_and_its_copy_does_not_collide(
    size: tuple[int, int], mirrored: bool
) -> None:
    layout = arrange(size, mirrored)
    boxes = [layout.brand, layout.slogan, layout.button, layout.badge]
    for box in [*boxes, layout.product]:
        assert 0 <= box.left < box.right <= size[0]
        assert 0 <= box.top < box.bottom <= size[1]
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    for box in boxes[:3]:
        assert not box.overlaps(layout.product)


@settings(max_examples=40, deadline=None)
@given(
    st.text("abcdefg W", min_size=1, max_size=60).filter(str.strip),
    st.floats(40, 400),
    st.floats(12, 200),
)
def test_fitted_text_stays_in_its_box(text: str, width: float, height: float) -> None:
    fonts = FontBook()
    size, lines = fonts.fit(text, Box(0, 0, width, height), max_size=60.0)
    assert " ".join(lines).split() == text.split()
    if size > 1.0:
        assert max(map(fonts.width, lines)) * size <= width * 1.001
        assert len(lines) * size <= height


@pytest.mark.parametrize("size", IAB_SIZES)
@pytest.mark.parametrize(
    "change",
    [
        {"strong_button": True},
        {"price_badge": True},
        {"product_scale": 1.0},
        {"cluttered": True},
        {"warm": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_planted_trait_is_visible_when_the_banner_is_shrunk(
    size: tuple[int, int], change: dict
) -> None:
    plain = replace(
        some_design(1), size=size, strong_button=False, price_badge=False, product_scale=0.5,
        cluttered=False, warm=False,
    )  # fmt: skip
    shrunk = [
        np.asarray(
            draw_banner(design, FontBook(), np.random.default_rng(0)).resize((64, 64)),
            dtype=np.float64,
        )
        for design in (plain, replace(plain, **change))
    ]
    changed = np.abs(shrunk[0] - shrunk[1]).max(axis=2) > 12
    assert changed.sum() > 40  # of 4,096 pixels


def test_every_product_has_a_drawing_of_its_own() -> None:
    assert {product.shape for product in PRODUCTS} == set(SHAPES)
    designs = [replace(some_design(2), product=product) for product in PRODUCTS]
    drawn = {
        draw_banner(design, FontBook(), np.random.default_rng(0)).tobytes() for design in designs
    }
    assert len(drawn) == len(PRODUCTS)


def test_warm_grounds_are_redder_than_cool_ones_in_every_palette() -> None:
    for family in PALETTE_FAMILIES:
        for warm, cool in zip(
            (family.warm.top, family.warm.bottom),
            (family.cool.top, family.cool.bottom),
            strict=True,
        ):
            assert warm[0] - warm[2] > 10 > cool[0] - cool[2]
