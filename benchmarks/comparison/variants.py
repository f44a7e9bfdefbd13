"""Lines of the table of `benchmarks/fusion.py`: a head, what it needs and what it changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from comparison.fusions import (
    GATE_COMPONENTS,
    additive,
    bilinear,
    differences,
    gated,
    only,
    outer_products,
    pairwise_loss,
    products,
)
from comparison.heads import Head

TOWERS = frozenset({"headline", "image"})
GROUPS = "groups"


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the table.

    Attributes:
        title: What it is called.
        head: How it is fitted.
        needs: Parts that it joins, or `groups`: a task without them leaves its cell empty.
        options: What it changes of `AdditiveOptions`.
    """

    title: str
    head: Head
    needs: frozenset[str] = frozenset()
    options: Mapping[str, float] = field(default_factory=dict)


def _pairwise(penalty: float) -> Variant:
    head = partial(additive, objective=pairwise_loss)
    title = f"additive, pairwise logistic loss, penalty {penalty:g}"
    return Variant(title, head, frozenset({GROUPS}), {"rate_penalty": penalty})


VARIANTS = {
    "additive": Variant("additive (concatenation, linear head)", additive),
    "gated": Variant("gated, one gate a part", gated, TOWERS),
    "gated-by-creative": Variant(
        "gated by what the creative shows", partial(gated, components=GATE_COMPONENTS), TOWERS
    ),
    "products": Variant(
        "bilinear: products in a shared space", partial(bilinear, interact=products), TOWERS
    ),
    "differences": Variant(
        "bilinear: differences in a shared space", partial(bilinear, interact=differences), TOWERS
    ),
    "outer": Variant(
        "bilinear: products of 8 x 8 components", partial(bilinear, interact=outer_products), TOWERS
    ),
    "headline": Variant("headline alone", partial(only, names={"headline"}), TOWERS),
    "image": Variant("image alone", partial(only, names={"image"}), TOWERS),
    "context": Variant("context alone", partial(only, names={"context"}), frozenset({"context"})),
    "pairwise-10": _pairwise(10),
    "pairwise-40": _pairwise(40),
    "pairwise-160": _pairwise(160),
}
