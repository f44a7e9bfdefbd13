"""The page that goes with a simulated log, so that nobody takes it for a real one."""

from adscore.sample.effects import PLANTED_EFFECTS
from adscore.sample.simulation import SimulationSettings

_PAGE = """\
# THIS IS A SIMULATION

No person saw these ads and nobody clicked on them. Every brand, product, banner, headline and
number in this folder was made up by `adscore sample`. Use it to try the tools and to test models,
never as evidence about advertising.

- {creatives} simulated creatives in {campaigns} simulated campaigns, seed {seed}.
- `creatives.csv`: the simulated log, as a model would get it.
- `images/`: the drawn banners; the `image` column is relative to this folder.
- `truth.csv`: what a model would like to know: the true rates behind the counts (`true_ctr`,
  `true_conversion_rate` per click), the creative term in logits without the campaign effect
  (`creative_effect`) and its parts (`image_effect` + `headline_effect` + `interaction_effect`).
  Never train on it.

## How it was simulated

logit(CTR) = logit({settings.base_ctr}) + campaign offset + creative term

The campaign offset is normal with standard deviation {settings.campaign_sd}. The creative term is
the sum of the effects below, each times (trait - centre).

Conversions per click start from {settings.base_conversion_rate}, with a campaign offset of standard
deviation {settings.campaign_conversion_sd}.

Impressions are log-normal: median {settings.median_impressions:,}, kept from
{settings.least_impressions:,} to {settings.most_impressions:,}.

Clicks and conversions are beta-binomial: the realised rate strays from the true one by
{settings.overdispersion:.0%} of it (standard deviation).

| trait | part | clicks, logits per unit | conversions, logits per unit | centre | meaning |
| --- | --- | --- | --- | --- | --- |
{rows}

Nothing else matters: sizes, brands, slogans, prices, labels, layout and which product is advertised
have no effect here.
"""


def simulation_page(
    *, creatives: int, campaigns: int, seed: int, settings: SimulationSettings
) -> str:
    """Markdown that says what was simulated, from which effects and how strong they are."""
    rows = "\n".join(
        f"| {effect.trait} | {effect.part} | {effect.click:+.2f} | {effect.conversion:+.2f} "
        f"| {effect.centre:g} | {effect.meaning} |"
        for effect in PLANTED_EFFECTS
    )
    return _PAGE.format(
        creatives=creatives, campaigns=campaigns, seed=seed, settings=settings, rows=rows
    )
