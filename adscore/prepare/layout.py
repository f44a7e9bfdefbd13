"""Decides which columns of an export hold what, and asks the user where that is ambiguous."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adscore.creative import NO_COLUMN, Target
from adscore.errors import TableError
from adscore.prepare.platform import Platform

# Column names used internally.
_OWN_NAMES = ("id", "campaign", "headline", "image", "date", "row", "suspect")
HEADLINE_CHOICES = ("first", "join", "each")
CTR = Target("ctr", "clicks", "impressions")


@dataclass(frozen=True, slots=True)
class Choices:
    """The user's choices of columns; None leaves a column to the platform's names.

    Attributes:
        id: Column that identifies an ad; ``none`` means there is no such column.
        campaign: Column of the group in which ads are compared; ``none`` as for `id`.
        headline: Column of the headline; ``none`` as for `id`.
        image: Column of the image; ``none`` as for `id`.
        date: Column of the day, for one row per day.
        context: Columns of context; rows with different values are not summed.
        targets: Rates to predict, with column names of the export.
        headlines: What to do with several headlines of an ad: ``first``, ``join`` or ``each``.
    """

    id: str | None = None
    campaign: str | None = None
    headline: str | None = None
    image: str | None = None
    date: str | None = None
    context: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    headlines: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A column of counts.

    Attributes:
        source: Column name in the export.
        name: Column name in the result.
        fractional: Whether counts may be fractional, like conversions from attribution models.
    """

    source: str
    name: str
    fractional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of an export hold what.

    Attributes:
        platform: Platform of the export.
        id: Column of the id; None means there is none. The same holds for the columns below.
        campaign: Column of the campaign.
        headlines: Columns of headlines, usually one.
        image: Column of the image.
        date: Column of the day.
        context: Columns of the context.
        counts: Columns of counts.
        targets: Rates to predict, with column names of the result.
        required: Columns that every row of an ad fills.
        label: The first column, where rows of totals have their label.
    """

    platform: Platform
    id: str | None
    campaign: str | None
    headlines: tuple[str, ...]
    image: str | None
    date: str | None
    context: tuple[str, ...]
    counts: tuple[Count, ...] = field(default=())
    targets: tuple[Target, ...] = field(default=())
    required: tuple[str, ...] = field(default=())
    label: str = ""

    def texts(self) -> list[str]:
        """Columns to read as text."""
        given = (self.id, self.campaign, *self.headlines, self.image, self.date, *self.context)
        return list(dict.fromkeys(filter(None, [self.label, *given, *self.required])))

    def read(self) -> list[str]:
        """All columns to read."""
        return list(dict.fromkeys([*self.texts(), *(count.source for count in self.counts)]))


def find_layout(
    header: Sequence[str], platform: Platform, choices: Choices, name: str, *, counts: bool = True
) -> Layout:
    """Finds the columns of an export.

    Args:
        header: Column names of the export.
        platform: Platform of the export.
        choices: The user's choices.
        name: Name of the export, for errors.
        counts: Whether it has counts; the table of a join has none.

    Raises:
        TableError: A named column is missing, or several columns qualify; one message lists all
            faults.
    """
    faults: list[str] = []

    def one(role: str, given: str | None) -> str | None:
        if given == NO_COLUMN:
            return None
        if given is not None:
            return _existing(given, header, faults)
        found = platform.column_of(role, header)
        if len(found) > 1:
            option = "group" if role == "campaign" else role
            ways = " or ".join(f'--{option}-column "{name}"' for name in found)
            faults.append(
                f"which column holds the {role}, {_listed(found, ' or ')}? Say so: {ways}"
            )
        return next(iter(found), None)

    if choices.headline is None:
        headlines = tuple(platform.columns_of("headline", header))
    else:
        headline = one("headline", choices.headline)
        headlines = () if headline is None else (headline,)
    counted, targets = _counts(header, platform, choices, faults) if counts else ((), ())
    layout = Layout(
        platform,
        one("id", choices.id),
        one("campaign", choices.campaign),
        headlines,
        one("image", choices.image),
        _existing(choices.date, header, faults) if choices.date else None,
        tuple(found for one in choices.context if (found := _existing(one, header, faults))),
        tuple(counted),
        tuple(targets),
        tuple(one for one in header if one in platform.rows_have),
        header[0],
    )
    faults += [
        f"--context-column: {name!r} is a name that the result needs; rename the column, or name "
        "it with the option for it, such as --date-column"
        for name in layout.context
        if name in _OWN_NAMES
    ]
    if not (layout.id or layout.headlines or layout.image or choices.id):
        faults.append(
            f"expected a column that tells ads apart. Received: {_listed(header)}. Name it with "
            "--id-column, --headline-column or --image-column"
        )
    if faults:
        raise TableError(f"{name}: " + "; ".join(faults))
    return layout


def require_headline_choice(columns: Sequence[str], choices: Choices, name: str) -> None:
    """Asks what to do with several headlines, if several columns have some.

    Raises:
        TableError: Several columns have headlines, and the user has not chosen.
    """
    if len(columns) > 1 and choices.headlines is None:
        raise TableError(
            f"{name}: an ad has several headlines ({_listed(columns)}). Say what becomes of them: "
            "--headlines first, --headlines join (one text), --headlines each (a row for each, "
            "with the counts of the ad), or name one column with --headline-column"
        )


def _counts(
    header: Sequence[str], platform: Platform, choices: Choices, faults: list[str]
) -> tuple[Iterable[Count], Iterable[Target]]:
    if choices.targets:
        return _counts_of_targets(header, choices.targets, faults)
    impressions = platform.column_of("impressions", header)
    clicks = platform.columns_of("clicks", header)
    conversions = platform.column_of("conversions", header)
    if not impressions and not clicks:
        faults.append(
            "expected counts such as impressions and clicks. Received the columns "
            f"{_listed(header)}. If this lists ads, join it to their counts: --join THIS --on "
            "COLUMN; otherwise name the counts: --target NAME=SUCCESSES/TRIALS"
        )
        return (), ()
    if max(len(clicks), len(impressions)) > 1 and clicks and impressions:
        what, several = ("clicks", clicks) if len(clicks) > 1 else ("impressions", impressions)
        ways = " or ".join(
            f'--target "ctr={one}/{other}"' for one in clicks for other in impressions
        )
        faults.append(f"which {what} count, {_listed(several, ' or ')}? Say so: {ways}")
        return (), ()
    if not clicks or not impressions:
        missing = "clicks" if impressions else "impressions"
        faults.append(
            f"expected a column of {missing}. Received: {_listed(header)}. A rate alone cannot be "
            "summed and says not how sure it is: export the counts, or name the column with "
            "--target ctr=CLICKS/IMPRESSIONS"
        )
        return (), ()
    found = [Count(clicks[0], "clicks"), Count(impressions[0], "impressions")]
    # If several columns qualify, read none: conversions are not needed unless a target names them.
    if len(conversions) == 1:
        found.append(Count(conversions[0], "conversions", fractional=True))
    return found, [CTR]


def _counts_of_targets(
    header: Sequence[str], targets: Sequence[Target], faults: list[str]
) -> tuple[Iterable[Count], Iterable[Target]]:
    counts: dict[str, Count] = {}
    found = []
    for target in sorted(targets, key=lambda one: one.name != CTR.name):  # names its counts
        parts = _split_rate(f"{target.successes}/{target.trials}", header)
        usual = CTR.count_columns if target.name == CTR.name else (None, None)
        names = []
        for part, place, name in zip(parts, (0, 1), usual, strict=True):
            source = _existing(part, header, faults)
            if source is not None:
                fractional = place == 0 and target.name != CTR.name
                counts.setdefault(source, Count(source, name or source, fractional))
                names.append(counts[source].name)
        if len(names) == 2:
            found.append(Target(target.name, names[0], names[1]))
    return counts.values(), found


def _split_rate(rate: str, header: Sequence[str]) -> tuple[str, str]:
    """The two columns of ``SUCCESSES/TRIALS``; column names may contain slashes."""
    pieces = rate.split("/")
    ways = [
        ("/".join(pieces[:at]).strip(), "/".join(pieces[at:]).strip())
        for at in range(1, len(pieces))
    ]
    known = {one.casefold() for one in header}
    return next((way for way in ways if all(one.casefold() in known for one in way)), ways[0])


def _existing(name: str, header: Sequence[str], faults: list[str]) -> str | None:
    """The column that a user names, ignoring case and extra blanks."""
    plain = {" ".join(one.split()).casefold(): one for one in header}
    wanted = " ".join(name.split()).casefold()
    if wanted in plain:
        return plain[wanted]
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.7)
    hint = f"; did you mean {plain[near[0]]!r}?" if near else "."
    faults.append(f"expected a column {name!r}{hint} Received: {_listed(header)}")
    return None


def _listed(names: Iterable[str], last: str = ", ") -> str:
    found = [repr(one) for one in names]
    if len(found) > 12:
        found = [*found[:12], f"{len(found) - 12} more"]
    return ", ".join(found[:-1]) + (last if len(found) > 1 else "") + found[-1] if found else "none"
