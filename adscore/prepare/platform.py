"""What is known of each ad platform's exports: one file of data each in `platforms/`."""

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

# What a column can be, in the order in which messages name them.
ROLES = ("id", "campaign", "headline", "image", "date", "impressions", "clicks", "conversions")
GENERIC = "generic"
# Columns that tell a platform; one alone may be chance, unless it knows the others best, too.
_MIN_MARKS = 2


@dataclass(frozen=True)
class Platform:
    """How a platform writes its exports.

    Attributes:
        key: Its name for `--platform`.
        name: Its name.
        signature: Names of columns that tell it from the others.
        columns: By role, the names that its columns have, in any language, the likeliest first;
            ``*`` in a name stands for anything.
        rows_have: Names of columns that every row of an ad fills.
        totals: Beginnings of the label of a row of totals.
        id_prefixes: What may stand before an id in one export and not in another.
        blank_is_zero: Whether a blank count is zero.
        unconfirmed: What of all this no public source shows.
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
        """The columns of a header that have a role, in the header's order."""
        return [one for one in header if _matches(without_place(one), self.columns[role])]

    def column_of(self, role: str, header: Sequence[str]) -> list[str]:
        """The columns that have a role by the first of its names that is there; most often one."""
        for name in self.columns[role]:
            found = [one for one in header if _matches(without_place(one), (name,))]
            if found:
                return found
        return []

    def is_total_label(self, text: str) -> bool:
        """Whether a text can only be the label of a total."""
        return is_total_label(text) or self._is_own_total(text)

    def may_be_total_label(self, text: str) -> bool:
        """Whether a text begins as the label of a total does."""
        return may_be_total_label(text) or self._is_own_total(text)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """All names of columns that are known of it."""
        return tuple(
            dict.fromkeys([*self.signature, *(n for one in self.columns.values() for n in one)])
        )

    @functools.cached_property
    def total_beginnings(self) -> str:
        """What the labels of totals begin with, a pattern for RE2."""
        own = [re.escape(one.partition("*")[0]) for one in self.totals]
        return f"^(?:{'|'.join([TOTAL_WORDS, *own])})"

    def _is_own_total(self, text: str) -> bool:
        return any(
            _pattern(one if "*" in one else f"{one}*").fullmatch(_plain(text))
            for one in self.totals
        )


@functools.cache
def platforms() -> Mapping[str, Platform]:
    """All platforms by their key."""
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
    """The platform that a header is of.

    Args:
        header: Names of the columns.
        asked: The key of the platform, where the user names it.
        otherwise: The key where none is recognised.

    Raises:
        TableError: There is no such platform.
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
    """How many cells are names of columns of some platform; tells headers from other lines."""
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
    """Names that are written out, and patterns of the others."""
    exact = frozenset(_plain(one) for one in patterns if "*" not in one)
    return exact, tuple(_pattern(one) for one in patterns if "*" in one)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = [re.escape(_plain(one)) for one in text.split("*")]
    inner = r"\d*" if text.endswith(" *") else ".*"
    glue = r"\s?" + inner if text.endswith(" *") else inner
    return re.compile(glue.join(parts), re.IGNORECASE)


def _plain(name: str) -> str:
    """A name without what people do not see as a difference: case, blanks, kinds of marks."""
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
