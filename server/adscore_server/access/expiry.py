"""When certificates expire, read from their bytes: Python's ssl does not say it of its own."""

import re
import ssl
import time
from calendar import timegm

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17


def earliest_expiry(pem: bytes) -> float | None:
    """When the first of some certificates expires; None where no date can be read.

    Args:
        pem: Certificates in PEM form, perhaps among other text.

    Returns:
        Seconds since 1970.
    """
    expiries = []
    for found in _PEM.findall(pem.decode("ascii", "replace")):
        try:
            expiries.append(_expiry(ssl.PEM_cert_to_DER_cert(found)))
        except (ValueError, IndexError):
            continue
    return min(expiries, default=None)


def _expiry(der: bytes) -> float:
    """`notAfter` of a certificate (RFC 5280, 4.1): the second date of its validity."""
    _, body, _ = _element(der, 0)  # Certificate
    _, start, _ = _element(der, body)  # TBSCertificate
    kind, _, end = _element(der, start)
    fields = 4 if kind == _VERSION else 3  # (version,) serialNumber, signature, issuer
    for _ in range(fields - 1):
        _, _, end = _element(der, end)
    _, not_before, _ = _element(der, end)
    _, _, not_after = _element(der, not_before)
    kind, start, end = _element(der, not_after)
    text = der[start:end].decode("ascii")
    if kind == _UTC_TIME:  # two digits of the year, from 1950 on
        text = ("20" if text < "50" else "19") + text
    return timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag of an element, and where what it holds starts and ends."""
    kind, size, start = der[at], der[at + 1], at + 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
    return kind, start, start + size
