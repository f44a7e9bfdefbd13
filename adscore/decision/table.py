"""Decides for each group of a table with counts so far."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict, Unpack

import pyarrow as pa

from adscore.bundle import Manifest, resolve_bundle
from adscore.creative import Columns, GivenColumns, Target
from adscore.decision.decision import Decision, decide
from adscore.decision.figures import Aim
from adscore.decision.groups import TOLERANCE, DecisionSettings
from adscore.decision.output import result_batches, result_schema
from adscore.decision.rows import Dates, GroupsOfRows, RowColumns
from adscore.errors import DecisionError, TableError
from adscore.offline.core import BATCH_ROWS, BatchScorer
from adscore.offline.local import scored
from adscore.offline.options import ScoringOptions
from adscore.table import Piece, is_pandas, open_stream

Progress = Callable[[float | None, int], None]


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """What to decide about a table.

    Attributes:
        columns: Which column holds what.
        targets: The counts to read; None for those of the training whose columns the table has.
        values: Value of a success, by target; may be empty if there is only one target.
        aim: What the split of traffic should achieve.
        horizon: Trials still to come for each group; None for as many as it has had.
        tolerance: Acceptable loss relative to the best rate.
        control: Id of the arm that others are compared with; None for no control.
        dates: When rows were counted; None if unknown.
        image_root: Folder, a path or URL, of image paths; ``""`` for the table's folder.
        engine: Where creatives are scored, ``"local"`` or ``"spark"``; the rest runs here.
    """

    columns: Columns
    targets: Sequence[Target] | None = None
    values: Mapping[str, float] | None = None
    aim: Aim = Aim.EARN
    horizon: float | None = None
    tolerance: float = TOLERANCE
    control: str | None = None
    dates: Dates | None = None
    image_root: str = ""
    engine: str = "local"


class TableDecisions:
    """The decisions for a table; iterate only once.

    Args:
        table: A table, as for `open_stream`.
        model: Folder of a model or of one of its versions.
        question: What to decide.
        progress: Receives the share of the table read, if known, and the number of rows.

    Attributes:
        settings: Settings for all groups.
        model: Name of the model.
        model_version: Its version.
        remarks: What a user should know about how the table is read.
        context_left_out: Names of context that the model uses and the table lacks.

    Raises:
        TableError: The table cannot be read.
        BundleError: The model cannot be opened.
        DecisionError: A setting is out of range, or it is unclear which counts to use.
    """

    def __init__(
        self,
        table: Any,
        model: Path,
        question: TableQuestion,
        progress: Progress = lambda _share, _rows: None,
    ) -> None:
        columns = question.columns
        options = ScoringOptions(replace(columns, group=None), image_root=question.image_root)
        # Stick to one version, even if a newer one appears during the run.
        scorer = BatchScorer(resolve_bundle(model), options)
        manifest = scorer.scorer.manifest
        targets = question.targets or _trained_targets(table, manifest)
        self.settings = _settings(question, targets, manifest)
        counted = [name for target in targets for name in target.count_columns]
        dated = [question.dates.column] if question.dates else []
        self._stream = open_stream(table, list(dict.fromkeys([*columns.named(), *counted, *dated])))
        self._stream.require_rows()
        self._scorer = BatchScorer(
            scorer.model, options.below(self._stream.folder), opened=scorer.scorer
        )
        # With Spark, the other columns needed are written beside the scores.
        further = dict.fromkeys([*([columns.group] if columns.group else []), *counted, *dated])
        self._options = replace(self._scorer.options, keep=tuple(further))
        self._engine, self._table = question.engine, table
        self._columns = RowColumns(columns.id, columns.group, targets, question.dates)
        self._progress = progress
        self.model, self.model_version = scorer.scorer.name, scorer.scorer.version
        self.remarks = self._stream.remarks
        self.context_left_out = self._scorer.context_left_out

    def __iter__(self) -> Iterator[Decision]:
        scorer, rows, control = self._scorer.scorer, 0, self.settings.control
        trained = _day_of(scorer.manifest.training.create_time)

        def is_in_training(group: str, first_day: int | None) -> bool:
            is_newer = first_day is not None and trained is not None and first_day > trained
            return scorer.has_seen(group) and not is_newer

        with GroupsOfRows(self._columns, self._stream.location.name) as collected:
            for scores, piece in self._scored():
                collected.add(piece, scores)
                rows += scores.num_rows
                self._progress(piece.share, rows)
            has_control = control is None
            for decision in decide(collected.groups(is_in_training), self.settings):
                has_control = has_control or any(arm.id == control for arm in decision.arms)
                yield decision
        if not has_control:
            raise DecisionError(
                "control", f"expected the id of a creative of the table. Received: {control!r:.80}"
            )

    def _scored(self) -> Iterator[tuple[pa.RecordBatch, Piece]]:
        if self._engine == "local":
            yield from scored(self._scorer, self._stream.pieces(BATCH_ROWS), lambda piece: piece)
            return
        from adscore.offline.spark import score_to

        with TemporaryDirectory(prefix="adscore-decide-") as folder:
            out = Path(folder) / "scored"
            score_to(out, self._scorer.model, self._table, self._options)
            for piece in open_stream(out).pieces(BATCH_ROWS):
                yield piece.rows, piece


def _settings(
    question: TableQuestion, targets: Sequence[Target], manifest: Manifest
) -> DecisionSettings:
    names = [target.name for target in targets]
    for name in [*names, *(question.values or {})]:
        if name not in manifest.targets:
            known = ", ".join(manifest.targets)
            raise DecisionError(
                "targets", f"expected targets of the model: {known}. Received: {name!r}"
            )
    values = question.values or {}
    if len(names) > 1 and not values:
        raise DecisionError(
            "values",
            f"expected what a success of each of {', '.join(names)} is worth, or one target. "
            "Received: none",
        )
    unread = [name for name in values if name not in names]
    if unread:
        raise DecisionError(
            "values", f"expected values of {', '.join(names)}. Received: one of {unread[0]!r}"
        )
    worth = {name: values.get(name, 0.0 if values else 1.0) for name in names}
    spreads = {name: one for name, one in manifest.spreads.items() if name in worth}
    return DecisionSettings(
        worth, spreads, question.aim, question.horizon, question.tolerance, question.control
    )


def _trained_targets(table: Any, manifest: Manifest) -> list[Target]:
    """The targets of the model's training whose columns are in the table."""
    trained = [
        Target.parse(f"{name}={columns}")
        for name, columns in manifest.training.target_columns.items()
    ]
    there = {name.strip().casefold() for name in open_stream(table).schema.names}
    found = [
        target for target in trained if all(n.casefold() in there for n in target.count_columns)
    ]
    if not found:
        expected = "; ".join(f"{target.name}={target.columns}" for target in trained)
        raise TableError(
            f"expected the counts that the model was trained on: {expected}. Received: a table "
            "without them. Name others as NAME=SUCCESSES/TRIALS"
        )
    return found


def _day_of(time: str) -> int | None:
    try:
        return date.fromisoformat(time[:10]).toordinal()
    except ValueError:
        return None


class _TableOptions(TypedDict, total=False):
    id_column: str | None
    headline_column: str | None
    image_column: str | None
    group_column: str | None
    context_columns: Sequence[str] | None
    targets: Mapping[str, str]
    values: Mapping[str, float]
    aim: str
    horizon: float | None
    tolerance: float
    control: str | None
    date_column: str | None
    half_life_days: float | None
    image_root: str | Path | None


def decide_table(table: Any, model: str | Path, **options: Unpack[_TableOptions]) -> Any:
    """Decides between the creatives of each group of a table, from the counts so far.

    Args:
        table: A table, as for `adscore.score_table`.
        model: Folder of a model (its newest version) or of one version.
        options: All optional. Columns default to those of the model's training:

            - ``id_column``, ``headline_column``, ``image_column``, ``group_column``,
              ``context_columns``, ``image_root``: As of `adscore.score_table`.
            - ``targets``: By name, ``SUCCESSES/TRIALS``; default: those of the training.
            - ``values``: Value of a success, by target; required with several targets.
            - ``aim``: ``"earn"`` or ``"learn"``.
            - ``horizon``: Trials still to come for each group; default: as many as it has had.
            - ``tolerance``: Acceptable loss relative to the best rate (0.01).
            - ``control``: Id of the arm that others are compared with.
            - ``date_column``: Days of the counts; ``half_life_days`` discounts old ones.

    Returns:
        A row for each arm, with the columns of `adscore decide --out`: a pandas data frame if the
        table is one, otherwise an Arrow table.

    Raises:
        TableError: The table cannot be read, or has invalid rows.
        DecisionError: A setting is out of range.
        BundleError: The model cannot be opened.
    """
    from adscore.bundle import read_manifest

    unknown = options.keys() - _TableOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"decide_table() got an unexpected keyword argument {min(unknown)!r}")
    bundle = resolve_bundle(Path(model))
    given = GivenColumns(
        options.get("id_column"),
        options.get("headline_column"),
        options.get("image_column"),
        options.get("group_column"),
        options.get("context_columns"),
    )
    targets = options.get("targets")
    day, half_life = options.get("date_column"), options.get("half_life_days")
    if half_life is not None and not day:
        raise DecisionError("half-life", "expected date_column with it. Received: none")
    aim = options.get("aim", Aim.EARN)
    if aim not in list(Aim):
        raise DecisionError("aim", f"expected earn or learn. Received: {aim!r:.80}")
    question = TableQuestion(
        given.over(read_manifest(bundle).training.columns),
        [Target.parse(f"{name}={text}") for name, text in targets.items()] if targets else None,
        options.get("values"),
        Aim(aim),
        options.get("horizon"),
        options.get("tolerance", TOLERANCE),
        options.get("control"),
        Dates(day, half_life) if day else None,
        str(options.get("image_root") or ""),
    )
    asked = TableDecisions(table, bundle, question)
    schema = result_schema(question.columns, asked.settings.targets)
    result = pa.Table.from_batches(list(result_batches(asked, schema, asked)), schema)
    return result.to_pandas() if is_pandas(table) else result
