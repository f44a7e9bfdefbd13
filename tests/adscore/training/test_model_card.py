"""The model card: it begins with what nothing was learned of, and says what was chosen."""

import dataclasses

from adscore.bundle import Choice
from adscore.scoring.scorer import Scorer
from adscore.training.model_card import model_card

LEARNS = Choice({"image statistics": 0.31, "headline n-grams": 0.12, "context values": 0.0})
MEAN = Choice({"image statistics": 0.0}, learns=False)


def card(scorer: Scorer, **choices: Choice) -> str:
    training = dataclasses.replace(scorer.manifest.training, choices=choices)
    return model_card("banners", dataclasses.replace(scorer.manifest, training=training))


def test_targets_without_anything_learned_stand_first(scorer: Scorer) -> None:
    lines = card(scorer, ctr=LEARNS, cvr=MEAN).splitlines()
    assert lines[0] == "# banners"
    assert lines[2].startswith("**cvr: groups left out are predicted no better than by their mean")
    assert dataclasses.replace(scorer.manifest.training, choices={"cvr": MEAN}).mean_only == (
        "cvr",
    )


def test_what_groups_left_out_chose_is_said_strongest_first(scorer: Scorer) -> None:
    assert (
        "- ctr: groups left out chose how much each part says: image statistics 0.31, headline "
        "n-grams 0.12 (standard deviations of what it adds, in logits); they ignore context values."
    ) in card(scorer, ctr=LEARNS)


def test_a_network_chose_nothing(scorer: Scorer) -> None:
    assert "groups left out chose" not in card(scorer)
