"""The simulated campaign log: campaigns, their creatives, true rates and drawn counts."""

from dataclasses import dataclass

import numpy as np

from adscore.sample.banner import BannerDesign, BannerStyle, design_banner
from adscore.sample.catalogue import BRANDS, IAB_SIZES, PALETTE_FAMILIES, PRODUCT_LINES
from adscore.sample.effects import CreativeEffect, planted_effect
from adscore.sample.headline import Headline, HeadlineStyle, write_headline
from adscore.sample.seeds import Stream, generator, happens, pick


@dataclass(frozen=True)
class SimulationSettings:
    """How rates and counts arise; standard deviations of rates are in logits.

    Attributes:
        base_ctr: Clicks per impression of an average creative in an average campaign.
        base_conversion_rate: Conversions per click of the same.
        campaign_sd: Spread of the campaigns' click-through rates: audience, placement, season.
        campaign_conversion_sd: Spread of the campaigns' conversion rates.
        median_impressions: Half of the creatives were shown more often.
        campaign_budget_sd: Spread of log impressions between campaigns.
        delivery_sd: Spread of log impressions inside a campaign.
        min_impressions: Fewest impressions a creative gets.
        max_impressions: Most impressions a creative gets.
        overdispersion: Standard deviation of a creative's realised rate around its true rate, as
            a share of the true rate: days differ, so real counts are wider than binomial ones.
    """

    base_ctr: float = 0.01
    base_conversion_rate: float = 0.04
    campaign_sd: float = 0.5
    campaign_conversion_sd: float = 0.3
    median_impressions: int = 20_000
    campaign_budget_sd: float = 0.6
    delivery_sd: float = 0.75
    min_impressions: int = 1_000
    max_impressions: int = 300_000
    overdispersion: float = 0.06


@dataclass(frozen=True)
class Campaign:
    """One simulated campaign; offsets are relative to an average campaign.

    Attributes:
        campaign_id: Its name in the tables.
        banner_style: What its banners share.
        headline_style: What its headlines share.
        click_offset: Logits of the click-through rate.
        conversion_offset: Logits of conversions per click.
        budget_offset: Log impressions.
    """

    campaign_id: str
    banner_style: BannerStyle
    headline_style: HeadlineStyle
    click_offset: float
    conversion_offset: float
    budget_offset: float


@dataclass(frozen=True)
class SimulatedCreative:
    """One creative with its truth and its results.

    Attributes:
        creative_id: Its name in the tables.
        campaign: Where it ran.
        position: (campaign number, number inside the campaign), both from 0; names its streams.
        banner: The banner's design.
        headline: The headline.
        effect: The planted effects, without the campaign's.
        true_ctr: Expected clicks per impression, in (0, 1).
        true_conversion_rate: Expected conversions per click, in (0, 1).
        impressions: Times shown.
        clicks: Clicks drawn.
        conversions: Conversions drawn.
    """

    creative_id: str
    campaign: Campaign
    position: tuple[int, int]
    banner: BannerDesign
    headline: Headline
    effect: CreativeEffect
    true_ctr: float
    true_conversion_rate: float
    impressions: int
    clicks: int
    conversions: int


def simulate_log(
    creatives: int, campaigns: int, seed: int, settings: SimulationSettings
) -> tuple[SimulatedCreative, ...]:
    """Simulate a log; no banner is drawn yet.

    Campaigns get equally many creatives; where that does not come out even, the first get one more.
    """
    size, larger = divmod(creatives, campaigns)
    log: list[SimulatedCreative] = []
    for number in range(campaigns):
        campaign = _plan_campaign(number, seed, settings)
        for index in range(size + (number < larger)):
            creative_id = f"c{len(log) + 1:05d}"
            log.append(_simulate_creative(creative_id, campaign, (number, index), seed, settings))
    return tuple(log)


def _plan_campaign(number: int, seed: int, settings: SimulationSettings) -> Campaign:
    rng = generator(seed, Stream.CAMPAIGN, number)
    line = pick(rng, PRODUCT_LINES)
    product, companion = line if happens(rng, 0.5) else line[::-1]
    chosen = rng.choice(len(IAB_SIZES), size=2, replace=False, p=list(IAB_SIZES.values()))
    banner_style = BannerStyle(
        brand=pick(rng, BRANDS),
        product=product,
        companion=companion,
        price=int(rng.integers(product.prices[0], product.prices[1], endpoint=True)),
        palette=pick(rng, PALETTE_FAMILIES),
        sizes=tuple(list(IAB_SIZES)[index] for index in sorted(chosen)),
    )
    outcome = generator(seed, Stream.CAMPAIGN_OUTCOME, number)
    return Campaign(
        campaign_id=f"campaign_{number + 1:03d}",
        banner_style=banner_style,
        headline_style=HeadlineStyle(product, companion, title_case=happens(rng, 0.3)),
        click_offset=float(outcome.normal(0.0, settings.campaign_sd)),
        conversion_offset=float(outcome.normal(0.0, settings.campaign_conversion_sd)),
        budget_offset=float(outcome.normal(0.0, settings.campaign_budget_sd)),
    )


def _simulate_creative(
    creative_id: str,
    campaign: Campaign,
    position: tuple[int, int],
    seed: int,
    settings: SimulationSettings,
) -> SimulatedCreative:
    banner = design_banner(campaign.banner_style, generator(seed, Stream.BANNER, *position))
    headline = write_headline(campaign.headline_style, generator(seed, Stream.HEADLINE, *position))
    effect = planted_effect(banner, headline)
    ctr = _rate(settings.base_ctr, campaign.click_offset + effect.click)
    conversion_rate = _rate(
        settings.base_conversion_rate, campaign.conversion_offset + effect.conversion
    )
    rng = generator(seed, Stream.OUTCOME, *position)
    impressions = _draw_impressions(campaign, settings, rng)
    clicks = _draw_successes(impressions, ctr, settings.overdispersion, rng)
    return SimulatedCreative(
        creative_id=creative_id,
        campaign=campaign,
        position=position,
        banner=banner,
        headline=headline,
        effect=effect,
        true_ctr=ctr,
        true_conversion_rate=conversion_rate,
        impressions=impressions,
        clicks=clicks,
        conversions=_draw_successes(clicks, conversion_rate, settings.overdispersion, rng),
    )


def _rate(base: float, offset: float) -> float:
    """The base rate moved by an offset in logits."""
    return float(1 / (1 + (1 - base) / base * np.exp(-offset)))


def _draw_impressions(
    campaign: Campaign, settings: SimulationSettings, rng: np.random.Generator
) -> int:
    log_impressions = (
        np.log(settings.median_impressions)
        + campaign.budget_offset
        + rng.normal(0.0, settings.delivery_sd)
    )
    low, high = settings.min_impressions, settings.max_impressions
    return int(np.clip(np.exp(log_impressions), low, high))


def _draw_successes(
    trials: int, rate: float, overdispersion: float, rng: np.random.Generator
) -> int:
    """A beta-binomial draw whose rate has the given coefficient of variation."""
    concentration = (1 - rate) / (rate * overdispersion**2) - 1
    realised = rng.beta(rate * concentration, (1 - rate) * concentration)
    return int(rng.binomial(trials, realised))
