"""The command `adscore explain`: what each part adds to the score of one creative."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore.cli.arguments import (
    ImageRoot,
    TrainedContextColumns,
    TrainedGroupColumn,
    TrainedHeadlineColumn,
    TrainedIdColumn,
    TrainedImageColumn,
    columns_in_use,
    require_writable,
    write_json,
)
from adscore.console import fail, note, notes, results
from adscore.creative import Creative, GivenColumns, InputLimits
from adscore.errors import AdscoreError, InvalidCreativeError, TableError, cut, did_you_mean

if TYPE_CHECKING:
    from adscore.explanation import Box, Explanation, WhatIf
    from adscore.scoring.scorer import Scorer
    from adscore.table import CreativeTable

_MAX_IDEAS_SHOWN = 10


def explain(
    model: Annotated[Path, typer.Option(help="A model or one version of it.")],
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="A table of creatives, for --id."),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Id of a creative in the table.")] = None,
    headline: Annotated[str | None, typer.Option(help="Headline, without a table.")] = None,
    image: Annotated[Path | None, typer.Option(help="Banner, without a table.")] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Its context, such as placement=feed; may be repeated."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The rate to explain.", show_default="the model's first"),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEFT,TOP,RIGHT,BOTTOM",
            help="An element of the banner, in pixels; may be repeated.",
        ),
    ] = None,
    find_text: Annotated[
        bool | None,
        typer.Option(
            "--find-text/--no-find-text",
            help="Find the text on the banner, and explain it as elements.",
            show_default="where adscore[check] is installed",
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=OTHER", help="Replace a word with another and compare; may be repeated."
        ),
    ] = None,
    other_headline: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Another headline to try; may be repeated."),
    ] = None,
    other_image: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Another banner to try; may be repeated."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the explanation to this file.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a report; replaces the file."),
    ] = None,
    id_column: TrainedIdColumn = None,
    headline_column: TrainedHeadlineColumn = None,
    image_column: TrainedImageColumn = None,
    group_column: TrainedGroupColumn = None,
    context_column: TrainedContextColumns = None,
    image_root: ImageRoot = None,
) -> None:
    """Explains what each part adds to a score, and which changes would raise it.

    With a TABLE, it also tries headlines and banners of the creative's group.
    """
    from adscore.explanation import explain as explain_score
    from adscore.scoring.scorer import Scorer

    given = GivenColumns(id_column, headline_column, image_column, group_column, context_column)
    try:
        _require_one(table, id_, headline, image)
        require_writable("--json", json)
        require_writable("--report", report)
        what_if = _what_if(box or [], swap or [], other_headline or [], other_image or [])
        scorer = Scorer.open(model)
        if table is None:
            creative = _creative(headline or "", image, context or [])
        else:
            creatives = _read(table, given, image_root, scorer)
            creative = creatives.creative(_row(creatives, id_ or ""), scorer.limits)
            what_if = _with_group(what_if, creatives, creative, scorer)
        what_if = replace(what_if, find_text=_finds_text(creative, find_text))
        explanation = explain_score(scorer, creative, what_if, target or "")
        if json is not None:
            _write_json(json, explanation, scorer)
        if report is not None:
            from adscore.report.explanation import write_explanation_report

            write_explanation_report(report, explanation, creative, scorer)
    except (AdscoreError, ValueError, OSError) as error:
        fail(error)
    _print(explanation)


# === The question ===


def _require_one(
    table: str | None, id_: str | None, headline: str | None, image: Path | None
) -> None:
    """Checks the arguments before anything is read.

    Raises:
        ValueError: They are neither a table with an id nor one creative.
    """
    alone = [name for name, value in (("--headline", headline), ("--image", image)) if value]
    of_table = [name for name, value in (("TABLE", table), ("--id", id_)) if value]
    if (len(of_table) == 2 and not alone) or (alone and not of_table):
        return
    raise ValueError(
        "expected --headline, --image or both of one creative, or a TABLE and the --id of one. "
        f"Received: {' and '.join([*of_table, *alone]) or 'none of these'}"
    )


def _what_if(
    boxes: Sequence[str], swaps: Sequence[str], headlines: Sequence[str], images: Sequence[Path]
) -> "WhatIf":
    from adscore.explanation import WhatIf

    return WhatIf(
        boxes=[_box(text) for text in boxes],
        swaps=[_pair("--swap", text, "WORD=OTHER") for text in swaps],
        headlines=list(headlines),
        images=[_image("--other-image", path) for path in images],
        image_names=[path.name for path in images],
    )


def _box(text: str) -> "Box":
    from adscore.explanation import Box

    try:
        left, top, right, bottom = map(int, text.split(","))
    except ValueError:
        raise ValueError(
            f"--box: expected LEFT,TOP,RIGHT,BOTTOM in whole pixels. Received: {cut(text)}"
        ) from None
    return Box(left, top, right, bottom)


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{option}: expected {form}. Received: {cut(text)}")
    return name, value


def _image(option: str, path: Path) -> bytes:
    from adscore.table import ImageSource

    try:
        return ImageSource("", InputLimits().max_image_bytes).read(str(path))
    except InvalidCreativeError as error:
        raise ValueError(f"{option}: {str(error).removeprefix('image: ')}") from error


def _creative(headline: str, image: Path | None, context: Sequence[str]) -> Creative:
    return Creative(
        headline,
        b"" if image is None else _image("--image", image),
        context=dict(_pair("--context", text, "NAME=VALUE") for text in context),
    )


def _finds_text(creative: Creative, wanted: bool | None) -> bool:
    """Whether to look for text: as requested, by default wherever it is possible."""
    from adscore.explanation import can_find_text

    if wanted is not None or not creative.image:
        return bool(wanted)
    if not can_find_text():
        notes().print(
            'note: the text on the banner is not looked at: pip install "adscore[check]" brings '
            "what finds it; --box names elements too"
        )
    return can_find_text()


# === The table ===


def _read(
    table: str, given: GivenColumns, image_root: str | None, scorer: "Scorer"
) -> "CreativeTable":
    """Reads the table; the default group column is used only if the table has it."""
    from adscore.table import open_stream, read_table

    with columns_in_use(given, scorer.manifest.training.columns) as columns:
        if given.group is None and columns.group not in open_stream(table).schema.names:
            columns = replace(columns, group=None)
        creatives = read_table(table, columns, (), image_root, skip_bad_rows=True)
    note(creatives.remarks)
    return creatives


def _row(creatives: "CreativeTable", id_: str) -> int:
    if id_ in creatives.ids:
        return creatives.ids.index(id_)
    raise TableError(
        f"--id: expected the id of a row of {creatives.name}. Received: {cut(id_)!r}"
        + did_you_mean(id_, creatives.ids)
    )


def _with_group(
    what_if: "WhatIf", creatives: "CreativeTable", own: Creative, scorer: "Scorer"
) -> "WhatIf":
    """Adds headlines and banners of the creative's group, up to the limit of a question."""
    from adscore.explanation import MAX_WHAT_IFS

    if creatives.groups is None:
        return what_if
    group = creatives.groups[creatives.ids.index(own.id)]
    headlines, images = dict.fromkeys(what_if.headlines), dict.fromkeys(what_if.images)
    names, left_out = list(what_if.image_names), 0
    for row in [row for row, name in enumerate(creatives.groups) if name == group]:
        other = creatives.creative(row, scorer.limits)
        room = MAX_WHAT_IFS - len(what_if.boxes) - len(what_if.swaps) - len(headlines) - len(images)
        new_headline = other.headline not in ("", own.headline, *headlines)
        new_image = other.image not in (b"", own.image, *images)
        if new_headline + new_image > room:
            left_out += 1
            continue
        if new_headline:
            headlines[other.headline] = None
        if new_image:
            images[other.image] = None
            names.append(f"of {other.id}")
    if left_out:
        notes().print(f"note: {left_out} creatives of {group} are not tried: they are too many")
    return replace(what_if, headlines=list(headlines), images=list(images), image_names=names)


# === Output ===


def _write_json(path: Path, explanation: "Explanation", scorer: "Scorer") -> None:
    import msgspec

    model = {"model": scorer.name, "model_version": scorer.version}
    write_json(path, model | msgspec.to_builtins(explanation))


def _print(explanation: "Explanation") -> None:
    console = results()
    average = 1 / (1 + math.exp(-explanation.base))
    console.print(
        f"{explanation.target}: {explanation.mean:.3%} (90 % interval {explanation.lower:.3%} to "
        f"{explanation.upper:.3%}); an average creative {average:.3%}"
    )
    console.print("What the model reacts to, not what causes clicks. 1.10 means 10 % higher odds.")
    parts = explanation.parts
    named = [("headline", parts.headline), ("image", parts.image), *parts.context.items()]
    for name, effect in named:
        if effect is not None:
            _print_effect(name, effect)
    _print_effect("not in the parts", explanation.remainder)
    _print_group("phrases", [(one.text, one.effect) for one in explanation.phrases])
    _print_group("words", [(word.text, word.effect) for word in explanation.words])
    _print_group(
        "elements",
        [(f"{one.kind.lower()} {list(one.box)}", one.effect) for one in explanation.elements],
    )
    if explanation.ideas:
        console.print("ideas")
    for idea in explanation.ideas[:_MAX_IDEAS_SHOWN]:
        ends = f"{math.exp(idea.lower):.3f} to {math.exp(idea.upper):.3f}"
        console.print(f"  {math.exp(idea.effect):6.3f} ({ends})  {idea.what}")
    if explanation.warnings:
        notes().print(f"warnings: {', '.join(explanation.warnings)}")


def _print_group(title: str, effects: Sequence[tuple[str, float]]) -> None:
    if effects:
        results().print(title)
    for name, effect in effects:
        _print_effect(name, effect)


def _print_effect(name: str, effect: float) -> None:
    results().print(f"  {math.exp(effect):6.3f}  {name}")
