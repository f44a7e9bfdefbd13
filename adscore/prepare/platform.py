"""What is known of each ad platform's exports: one file of data each in `platforms/`."""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from adscore.errors import TableError

# What a column can be, in the order in which messages name them.
ROLES = ("id", "campaign", "headline", "image", "date", "impressions", "clicks", "conversions")
GENERIC = "generic"
# Beginnings of the label of a row of totals, in the languages of the platforms' pages.
_TOTALS = re.compile(
    r"(grand total|sub-?total|total|totals|gesamt|gesamtsumme|summe|zwischensumme|totale|totaal|"
    r"razem|suma|итого|всего|合计|总计|小计|合計|総計|합계)\b.{0,60}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Platform:
    """How a platform writes its exports.

    Attributes:
        key: Its name for `--platform`.
        name: Its name.
        signature: Names of columns that tell it from the others.
        columns: By role, the names that its columns have, in any language; ``*`` in a name stands
            for anything.
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
        return [one for one in header if _matches(one, self.columns[role])]

    def is_total(self, label: str) -> bool:
        """Whether a label is that of a row of totals."""
        text = label.strip()
        own = any(_pattern(one if "*" in one else f"{one}*").fullmatch(text) for one in self.totals)
        return own or bool(_TOTALS.fullmatch(text))

    def bare_id(self, id_: str) -> str:
        """An id without what only some exports put before it."""
        for prefix in self.id_prefixes:
            if id_.startswith(prefix):
                return id_[len(prefix) :]
        return id_


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


def recognise(header: Sequence[str], asked: str | None = None) -> Platform:
    """The platform that a header is of; the generic one where none is recognised.

    Args:
        header: Names of the columns.
        asked: The key of the platform, where the user names it.

    Raises:
        TableError: There is no such platform.
    """
    known = platforms()
    if asked is not None:
        if asked not in known:
            raise TableError(f"--platform: expected one of {', '.join(known)}. Received: {asked}")
        return known[asked]

    def marks(platform: Platform) -> int:
        return sum(_matches(one, platform.signature) for one in header)

    best = max(known.values(), key=marks)
    return best if marks(best) >= 2 else known[GENERIC]


def known_names(cells: Iterable[str]) -> int:
    """How many cells are names of columns of some platform; tells headers from other lines."""
    names = {_plain(name) for name in cells}
    return max(sum(_known(one, platform) for one in names) for platform in platforms().values())


def _known(name: str, platform: Platform) -> bool:
    lists = (platform.signature, *platform.columns.values())
    return bool(name) and any(_matches(name, one) for one in lists)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(_pattern(one).fullmatch(_plain(name)) for one in patterns)


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = [re.escape(_plain(one)) for one in text.split("*")]
    inner = r"\d*" if text.endswith(" *") else ".*"
    glue = r"\s?" + inner if text.endswith(" *") else inner
    return re.compile(glue.join(parts) if "*" in text else parts[0], re.IGNORECASE)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


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
