"""The model card: what to know before trusting a model.

After Mitchell et al. (2019), "Model cards for model reporting".
"""

from collections.abc import Mapping

from adscore.bundle import Manifest


def model_card(name: str, manifest: Manifest) -> str:
    """Writes the card in Markdown."""
    training = manifest.training
    groups = f" of {training.groups} groups" if training.groups else ""
    chosen = {target: choice.describe(target) for target, choice in training.choices.items()}
    warnings = "".join(f"**{chosen.pop(target)}**\n\n" for target in training.mean_only)
    choices = "".join(f"\n- {sentence}" for sentence in chosen.values())
    return f"""# {name}

{warnings}{_purpose(manifest)}

- Written by adscore {training.adscore_version} on {training.create_time}, preset \
`{training.preset}`, seed {training.seed}, {training.seconds:.0f} s.
- Fitted to {training.creatives} creatives{groups}, all of them. {_left_out(manifest)}
- {_encoders(manifest)}{choices}
- {_reads(manifest)}
- {_meaning(manifest)}

## Metrics on groups left out

{_metrics_table(manifest)}
{_report(manifest)}{_agreement(manifest)}"""


def _left_out(manifest: Manifest) -> str:
    training = manifest.training
    what = "groups" if training.groups else "creatives"
    if training.folds > 1:
        return (
            f"The metrics below are of {training.folds} models like it, each fitted without a part "
            f"of the {what}, which it then predicted: every creative once."
        )
    return (
        "The metrics below are of a model like it that was fitted without a part of the "
        f"{what}, which it then predicted."
    )


def _purpose(manifest: Manifest) -> str:
    parts = [*_modalities(manifest), *(["context"] if manifest.limits.context_names else [])]
    creative = " and ".join(parts)
    if not manifest.targets:
        return "Says how well headline and image of an ad creative fit together."
    return f"Predicts {', '.join(manifest.targets)} of an ad creative from its {creative}."


def _meaning(manifest: Manifest) -> str:
    if not manifest.targets:
        return "An agreement compares pairs; by itself it is no probability of a match."
    return (
        "A score is the rate to expect in the average campaign. It compares creatives; it knows "
        "nothing of audience, price or season."
    )


def _modalities(manifest: Manifest) -> list[str]:
    limits = manifest.limits
    found = {"headline": limits.max_headline_characters > 0, "image": bool(limits.image_formats)}
    return [name for name, here in found.items() if here]


def _reads(manifest: Manifest) -> str:
    size, limits = manifest.preprocessing, manifest.limits
    whole = manifest.training.choices and "headline" not in manifest.training.encoders
    tokens = "every word" if whole else f"{size.headline_tokens} tokens"
    sentences = {
        "headline": f"Reads {tokens} of the headline.",
        "image": f"Reads the image shrunk to {size.image_width} x {size.image_height} pixels: "
        "small print does not reach it.",
    }
    said = [sentences[name] for name in _modalities(manifest)]
    optional = limits.headline_optional and limits.image_optional
    if len(said) == 2 and optional and manifest.targets:
        said.append("Either may be missing; the interval is then wider.")
    if limits.context_names:
        said.append(f"Knows the context by {', '.join(limits.context_names)}.")
    return " ".join(said)


def _encoders(manifest: Manifest) -> str:
    encoders = manifest.training.encoders
    if not encoders:
        if manifest.training.choices:
            return "Stands on statistics of headlines and images, and on n-grams: on no encoder."
        return "Its towers were trained from scratch."
    named = " and ".join(f"`{name}` for the {tower}" for tower, name in encoders.items())
    return f"Stands on frozen encoders, {named}; their licences hold for this model too."


def _metrics_table(manifest: Manifest) -> str:
    if not manifest.metrics and manifest.agreement:
        return ""
    if not manifest.metrics:
        return "None: nothing was left out."
    names = _names(next(iter(manifest.metrics.values())))
    lines = [
        "| metric (90 % interval) | " + " | ".join(manifest.metrics) + " |",
        "| --- |" + " --- |" * len(manifest.metrics),
    ]
    for name in names:
        cells = [_with_interval(row, name) for row in manifest.metrics.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _report(manifest: Manifest) -> str:
    if not manifest.metrics and not manifest.agreement:
        return ""
    return (
        "\n[How well it predicts groups left out](report.html), a page with thumbnails of their "
        "creatives: delete it before you share the model where these are not to be seen. The model "
        "does without it.\n"
    )


def _agreement(manifest: Manifest) -> str:
    if not manifest.agreement:
        return ""
    found = manifest.agreement
    cells = [f"| {name} | {_with_interval(found, name)} |" for name in _names(found)]
    head = "A headline looks for its image among those of all creatives left out:"
    return "\n".join(
        ["", head, "", "| metric (90 % interval) | agreement |", "| --- | --- |", *cells, ""]
    )


def _names(metrics: Mapping[str, float | int | None]) -> list[str]:
    return [name for name in metrics if not name.endswith(("_lower", "_upper"))]


def _with_interval(metrics: Mapping[str, float | int | None], name: str) -> str:
    lower, upper = metrics.get(f"{name}_lower"), metrics.get(f"{name}_upper")
    ends = f" ({_cell(lower)} to {_cell(upper)})" if lower is not None else ""
    return f"{_cell(metrics.get(name))}{ends}"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
