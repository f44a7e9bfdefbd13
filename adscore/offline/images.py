"""The image cells of a batch of rows -> images ready to score, each different file read once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from adscore.cores import in_order
from adscore.errors import InvalidCreativeError
from adscore.scoring.preparation import PreparedImage
from adscore.scoring.scorer import Scorer
from adscore.table import ImageSource

# Images that are downloaded, or wait to be decoded, at the same time: downloading is waiting, not
# work. With what a model accepts of a file (10 MB), it bounds the memory that they take.
DOWNLOADS = 16

# Paths and URLs whose content is remembered, some 300 bytes each.
REMEMBERED_NAMES = 32_768

Outcome = PreparedImage | InvalidCreativeError


class BatchImages:
    """Prepares images for one model and one run; safe to use from many threads.

    A file is taken to stay what it was when its path or URL first came, so that it need not be read
    again as long as the model's cache knows what its tower said of it.

    Args:
        scorer: The model.
        root: Folder, a path or URL, to which paths are relative.
    """

    def __init__(self, scorer: Scorer, root: str) -> None:
        self._preparer = scorer.preparer
        self._source = ImageSource(root, scorer.limits.max_image_bytes)
        self._digests: dict[str, bytes] = {}

    def from_bytes(self, image: bytes) -> Outcome:
        """Prepares one image; gives why where it cannot."""
        try:
            return self._preparer.required_image(image)
        except InvalidCreativeError as error:
            return error

    def from_names(self, names: Sequence[str]) -> dict[str, Outcome]:
        """Prepares images of different paths and URLs; gives why for those that it cannot."""
        outcomes: dict[str, Outcome] = {}
        for name in names:
            known = self._preparer.known_image(self._digests.get(name, b""))
            if known is not None:
                outcomes[name] = known
        unknown = [name for name in names if name not in outcomes]
        for name, data in self._contents(unknown):
            outcomes[name] = (
                data if isinstance(data, InvalidCreativeError) else self._new(name, data)
            )
        return outcomes

    def _new(self, name: str, data: bytes) -> Outcome:
        outcome = self.from_bytes(data)
        if isinstance(outcome, PreparedImage) and outcome.digest:
            if len(self._digests) >= REMEMBERED_NAMES:
                self._digests.clear()
            self._digests[name] = outcome.digest
        return outcome

    def _contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes | InvalidCreativeError]]:
        if not any(map(self._source.is_remote, names)):
            yield from ((name, self._content(name)) for name in names)
            return
        with ThreadPoolExecutor(min(DOWNLOADS, len(names))) as pool:
            contents = in_order(pool, self._content, names, DOWNLOADS)
            yield from zip(names, contents, strict=True)

    def _content(self, name: str) -> bytes | InvalidCreativeError:
        try:
            return self._source.read(name)
        except InvalidCreativeError as error:
            return error
