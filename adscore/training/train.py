"""The whole training: a table -> a bundle."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adscore import bundle as files
from adscore.bundle import Bundle, Manifest, write_bundle
from adscore.errors import BrokenRowsError
from adscore.progress import SILENT, Progress
from adscore.report import left_out_report
from adscore.scoring.scorer import Scorer
from adscore.table import CreativeTable
from adscore.training.earlier import Comparison, compare_with_earlier, require_no_worse
from adscore.training.problem import Problem, TrainingOptions, read_problem
from adscore.training.split import hold_out

# Share of the tokens from which on an encoder's tokenizer mostly answers "unknown".
MAX_UNKNOWN = 0.5
HEADLINES_ASKED = 1_000


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained model.

    Attributes:
        path: The new bundle's folder.
        manifest: What the bundle says of itself, metrics on groups left out among it.
        comparison: With the version before it; None where there was none.
    """

    path: Path
    manifest: Manifest
    comparison: Comparison | None = None


def train(
    table: CreativeTable,
    model_dir: Path,
    options: TrainingOptions | None = None,
    progress: Progress = SILENT,
) -> TrainingResult:
    """Trains a model and writes it as the next version under its folder.

    Args:
        table: Creatives with counts of at least one target.
        model_dir: The model's folder, `NAME/`.
        options: The user's choices.
        progress: Is told the stages, and how far each is.

    Raises:
        TableError: Rows that cannot be read.
        TrainingError: There is nothing to learn from, or the new version is clearly worse than
            the one before it; see `TrainingOptions.force`.
        OSError: The bundle cannot be written.
    """
    # These import TensorFlow, which takes seconds; callers that only read presets need not wait.
    from adscore.training.export import check_graphs, export_model, golden_file
    from adscore.training.left_out import evaluate_left_out
    from adscore.training.manifest import build_manifest, training_groups
    from adscore.training.model import fit_model
    from adscore.training.model_card import model_card

    started = time.monotonic()
    options = options or TrainingOptions()
    table, problem = _read(table, options, progress)
    if warning := _foreign_encoder(problem):
        progress(warning)
    model = fit_model(problem)
    evaluation = evaluate_left_out(model.left_out, problem.data, table)
    comparison = compare_with_earlier(model_dir, table, evaluation, options.seed)
    if comparison is not None and not options.force:
        require_no_worse(comparison)
    progress("exporting and checking the graphs")
    contents = export_model(problem, model)
    contents[files.TRAINING_GROUPS] = training_groups(problem)
    manifest = build_manifest(problem, model, evaluation, time.monotonic() - started)
    name = model_dir.resolve().name
    scorer = Scorer(Bundle(name, "", manifest, contents))
    check_graphs(scorer, table, model)
    contents[files.GOLDEN] = golden_file(scorer)
    contents[files.MODEL_CARD] = model_card(name, manifest).encode()
    path = write_bundle(model_dir, manifest, contents)
    progress("writing the report")
    # Only now has the model a version. A bundle is whole without its report.
    scorer = Scorer(Bundle(name, path.name, manifest, contents))
    left_out_report(scorer, table, evaluation).write(path / files.REPORT)
    return TrainingResult(path, manifest, comparison)


def _read(
    table: CreativeTable, options: TrainingOptions, progress: Progress
) -> tuple[CreativeTable, Problem]:
    """The table without groups that are kept aside, and its problem.

    Raises:
        BrokenRowsError: Rows that cannot be read, by their numbers in the whole table.
    """
    aside = hold_out(table, options.hold_out, options.seed)
    kept = np.setdiff1d(np.arange(len(table)), aside)
    rest = table.without(set(aside.tolist())) if aside.size else table
    progress(f"reading {len(rest)} creatives")
    try:
        return rest, read_problem(rest, options, progress)
    except BrokenRowsError as error:
        raise BrokenRowsError(str(error), kept[sorted(error.rows)].tolist()) from error


def _foreign_encoder(problem: Problem) -> str:
    """A warning where the text encoder does not know the script of the headlines; else nothing."""
    encoder = problem.encoders.text
    if encoder is None:
        return ""
    headlines = [text for text in problem.data.headlines if text]
    share = encoder.unknown_share(headlines[:: max(1, len(headlines) // HEADLINES_ASKED)])
    if share <= MAX_UNKNOWN:
        return ""
    return (
        f"warning: the text encoder {encoder.name} knows {1 - share:.0%} of the tokens of these "
        "headlines, and takes all others for one; name an encoder of their language, or none"
    )
