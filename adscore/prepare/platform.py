"""Knowledge of each ad platform's exports; one data file per platform in `platforms/`."""

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from adscore.errors import TableError
from adscore.table.sheet import without_place
from adscore.table.totals import TOTAL_WORDS, is_total_label, may_be_total_label

# Roles of columns, in the order in which messages name them.
ROLES = ("id", "campaign", "headline", "image", "date", "impressions", "clicks", "conversions")
GENERIC = "generic"
# Signature columns needed to recognise a platform; one is enough if no other knows more columns.
_MIN_MARKS = 2


@dataclass(frozen=True)
class Platform:
    """How a platform writes its exports.

    Attributes:
        key: Name for `--platform`.
        name: Display name.
        signature: Column names that tell it from other platforms.
        columns: By role, its column names in any language, the likeliest first; ``*`` in a name
            matches anything.
        rows_have: Columns that are filled in every row of an ad.
        totals: Beginnings of labels of total rows.
        id_prefixes: Prefixes that ids have in some exports and not in others.
        blank_is_zero: Whether a blank count is zero.
        unconfirmed: Which of these facts no public source confirms.
    """

    key: str
    name: str
    signature: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    rows_have: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    id_prefixes: tuple[str, ...] = ()
    blank_is_zero: bool = False
    unconfirmed: tuple[str, ...] = ()

    def columns_of(self, role: str, header: Sequence[str]) -> list[str]:
        """The columns that have a role, in the order of the header."""
        return [one for one in header if _matches(without_place(one), self.columns[role])]

    def column_of(self, role: str, header: Sequence[str]) -> list[str]:
        """The columns that match the likeliest name present for a role; usually one."""
        for name in self.columns[role]:
            found = [one for one in header if _matches(without_place(one), (name,))]
            if found:
                return found
        return []

    def is_total_label(self, text: str) -> bool:
        """Whether a text is certainly the label of a total."""
        return is_total_label(text) or self._is_own_total(text)

    def may_be_total_label(self, text: str) -> bool:
        """Whether a text begins like the label of a total."""
        return may_be_total_label(text) or self._is_own_total(text)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """All known column names of the platform."""
        return tuple(
            dict.fromkeys([*self.signature, *(n for one in self.columns.values() for n in one)])
        )

    @functools.cached_property
    def total_beginnings(self) -> str:
        """The beginnings of total labels, as a pattern for RE2."""
        own = [re.escape(one.partition("*")[0]) for one in self.totals]
        return f"^(?:{'|'.join([TOTAL_WORDS, *own])})"

    def _is_own_total(self, text: str) -> bool:
        return any(
            _pattern(one if "*" in one else f"{one}*").fullmatch(_plain(text))
            for one in self.totals
        )


@functools.cache
def platforms() -> Mapping[str, Platform]:
    """All platforms, by key."""
    folder = resources.files(__package__).joinpath("platforms")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            key = file.name.removesuffix(".toml")
            found[key] = _platform(key, tomllib.loads(file.read_text("utf-8")))
    return found


def recognise(
    header: Sequence[str], asked: str | None = None, otherwise: str = GENERIC
) -> Platform:
    """Recognises a platform by a header.

    Args:
        header: Column names.
        asked: Key of the platform, if the user names it.
        otherwise: Key of the platform to use if none is recognised.

    Raises:
        TableError: `asked` is unknown, or several platforms match equally well.
    """
    known = platforms()
    if asked is not None:
        if asked not in known:
            raise TableError(f"--platform: expected one of {', '.join(known)}. Received: {asked}")
        return known[asked]

    def marks(platform: Platform) -> tuple[int, int]:
        return (
            sum(_matches(without_place(one), platform.signature) for one in header),
            sum(_matches(without_place(one), platform.names) for one in header),
        )

    best = max(marks(one) for one in known.values())
    found = [one for one in known.values() if marks(one) == best]
    others = max(marks(one)[1] for one in known.values() if one is not found[0])
    if best[0] < _MIN_MARKS and not (best[0] and best[1] > others):
        return known[otherwise]
    if len(found) > 1:
        keys = " or ".join(one.key for one in found)
        raise TableError(f"expected the export of one platform. Received: {keys}; say --platform")
    return found[0]


def known_names(cells: Iterable[str]) -> int:
    """Largest number of cells that one platform knows as column names; finds header lines."""
    names = {_plain(name) for name in cells}
    return max(
        sum(bool(name) and _matches(name, one.names) for name in names)
        for one in platforms().values()
    )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    exact, open_ended = _compiled(patterns)
    plain = _plain(name)
    return plain in exact or any(one.fullmatch(plain) for one in open_ended)


@functools.cache
def _compiled(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Literal names, and compiled patterns of names with ``*``."""
    exact = frozenset(_plain(one) for one in patterns if "*" not in one)
    return exact, tuple(_pattern(one) for one in patterns if "*" in one)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = [re.escape(_plain(one)) for one in text.split("*")]
    inner = r"\d*" if text.endswith(" *") else ".*"
    glue = r"\s?" + inner if text.endswith(" *") else inner
    return re.compile(glue.join(parts), re.IGNORECASE)


def _plain(name: str) -> str:
    """A name normalised for comparison: case, blanks, and kinds of apostrophes."""
    text = unicodedata.normalize("NFKC", name).replace("\u2019", "'").replace("\ufeff", "")
    return " ".join(text.split()).casefold()


def _platform(key: str, data: Mapping[str, object]) -> Platform:
    columns = data["columns"]
    unconfirmed = data["unconfirmed"]
    assert isinstance(columns, dict)
    assert isinstance(unconfirmed, dict)
    lists: dict[str, tuple[str, ...]] = {
        name: tuple(data.get(name, ()))  # type: ignore[arg-type]
        for name in ("signature", "rows_have", "totals", "id_prefixes")
    }
    return Platform(
        key,
        str(data["name"]),
        columns={role: tuple(columns.get(role, ())) for role in ROLES},
        blank_is_zero=bool(data["blank_is_zero"]),
        unconfirmed=tuple(unconfirmed["names"]),
        **lists,
    )
