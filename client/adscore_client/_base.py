"""What both clients are made with."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from adscore_client._access import Tls, Token
from adscore_client._core import Core

Connected = TypeVar("Connected")


class BaseClient(ABC, Generic[Connected]):
    """The settings of a client; see ``Client`` and ``AsyncClient``."""

    def __init__(
        self,
        address: str | Sequence[str] = "127.0.0.1:50051",
        *,
        timeout_seconds: float = 10.0,
        model: str = "",
        model_version: str = "",
        max_message_bytes: int = 16 * 1024 * 1024,
        tls: Tls | bool = False,
        token: Token | None = None,
        allow_plaintext_token: bool = False,
        shrink_images: bool = False,
    ) -> None:
        """Checks the settings; nothing is connected before the first call.

        Args:
            address: ``HOST:PORT``, any gRPC target, or a list of ``IP:PORT`` of servers with
                the same models. Where there are several, as behind ``dns:///NAME:PORT``, calls
                go to them in turn, and to none that is down or stopping.
            timeout_seconds: How long a call may take, all attempts together, in seconds,
                above 0; a method may be given another.
            model: Name of the model to use; empty for the server's only model, or its default.
            model_version: Version of that model, e.g. ``"3"``; empty for the newest.
            max_message_bytes: Limit of one request and of one answer, from 1,024 to
                2,147,483,647 bytes. The default is the server's default.
            tls: True to encrypt, trusting public certificates; a ``Tls`` to say more.
            token: What the server knows this caller by, or what returns it, called before
                each call. None for the environment's ``ADSCORE_TOKEN``, ``""`` for none.
            allow_plaintext_token: Whether to send a token without encryption to another
                machine; refused by default.
            shrink_images: Whether to make images smaller before they are sent, to twice the
                size that the model reads; needs Pillow. Scores change a little.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is out of range, or a file of ``tls`` cannot be read.
            ImportError: Pillow is needed and not installed.
        """
        self._core = Core(
            address,
            timeout_seconds=timeout_seconds,
            model=model,
            model_version=model_version,
            max_message_bytes=max_message_bytes,
            tls=tls,
            token=token,
            allow_plaintext_token=allow_plaintext_token,
            shrink_images=shrink_images,
        )
        self._connection = self._connect()

    @abstractmethod
    def _connect(self) -> Connected:
        """Returns what sends the calls; opens nothing yet."""

    def _describe(self, is_closed: bool) -> str:
        return f"<{type(self).__name__} of {self._core.address}{', closed' if is_closed else ''}>"
