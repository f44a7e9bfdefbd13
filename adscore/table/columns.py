"""Which column of a table holds what."""

from dataclasses import dataclass

NO_COLUMN = "none"


@dataclass(frozen=True, slots=True)
class Target:
    """A rate to learn: successes per trial, or a 0/1 label, which is a rate with one trial.

    Attributes:
        name: Name of the rate, e.g. ``"ctr"``.
        successes: Column of the successes, e.g. ``"clicks"``, or of the label.
        trials: Column of the trials, e.g. ``"impressions"``; None for a label.
    """

    name: str
    successes: str
    trials: str | None

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Reads ``NAME=SUCCESSES/TRIALS`` or ``NAME=LABEL``.

        Raises:
            ValueError: The text has another form.
        """
        name, equals, columns = text.partition("=")
        successes, slash, trials = columns.partition("/")
        if not (name and equals and successes) or bool(slash) != bool(trials):
            raise ValueError(f"expected NAME=SUCCESSES/TRIALS or NAME=LABEL. Received: {text!r}")
        return cls(name, successes, trials or None)

    @property
    def columns(self) -> str:
        """The part after the name: ``SUCCESSES/TRIALS`` or ``LABEL``."""
        return self.successes if self.trials is None else f"{self.successes}/{self.trials}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; None where there is no such column.

    Attributes:
        id: Identifies a row; row numbers stand in where it is None.
        headline: Text of the headline.
        image: Path of the image file, or its bytes (Parquet).
        group: Whatever rows are compared within, e.g. the campaign.
        context: Circumstances of the ad, such as its placement.
    """

    id: str | None = "creative_id"
    headline: str | None = "headline"
    image: str | None = "image"
    group: str | None = "campaign_id"
    context: tuple[str, ...] = ()

    def named(self) -> list[str]:
        """Names of all columns that must be there."""
        single = (self.id, self.headline, self.image, self.group)
        return [name for name in (*single, *self.context) if name is not None]
