"""The model card: what a person should know before trusting a model.

After Mitchell et al. (2019), "Model cards for model reporting".
"""

from adscore.bundle import Manifest


def model_card(name: str, manifest: Manifest) -> str:
    """Writes the card in Markdown."""
    training = manifest.training
    groups = f" of {training.groups} groups" if training.groups else ""
    return f"""# {name}

{_purpose(manifest)}

- Written by adscore {training.adscore_version} on {training.create_time}, preset \
`{training.preset}`, seed {training.seed}, {training.seconds:.0f} s.
- Trained on {training.creatives} creatives{groups}; groups that were held out are in the \
metrics below only.
- {_encoders(manifest)}
- {_reads(manifest)}
- {_meaning(manifest)}

## Metrics on held-out groups

{_metrics_table(manifest)}
{_report(manifest)}{_agreement(manifest)}"""


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
    sentences = {
        "headline": f"Reads {size.headline_tokens} tokens of the headline.",
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
        return "Its towers were trained from scratch."
    named = " and ".join(f"`{name}` for the {tower}" for tower, name in encoders.items())
    return f"Stands on frozen encoders, {named}; their licences hold for this model too."


def _metrics_table(manifest: Manifest) -> str:
    if not manifest.metrics and manifest.agreement:
        return ""
    if not manifest.metrics:
        return "None: no group was held out."
    names = list(dict.fromkeys(name for row in manifest.metrics.values() for name in row))
    lines = [
        "| metric | " + " | ".join(manifest.metrics) + " |",
        "| --- |" + " --- |" * len(manifest.metrics),
    ]
    for name in names:
        cells = [_cell(row.get(name)) for row in manifest.metrics.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _report(manifest: Manifest) -> str:
    if not manifest.metrics and not manifest.agreement:
        return ""
    return (
        "\n[How well it predicts held-out groups](report.html), a page with thumbnails of held-out "
        "creatives: delete it before you share the model where these are not to be seen. The model "
        "does without it.\n"
    )


def _agreement(manifest: Manifest) -> str:
    if not manifest.agreement:
        return ""
    cells = [f"| {name} | {_cell(value)} |" for name, value in manifest.agreement.items()]
    head = "A headline looks for its image among those of all held-out creatives:"
    return "\n".join(["", head, "", "| metric | agreement |", "| --- | --- |", *cells, ""])


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
