"""What a file is, by how it begins: a format that may be read, or a name for people."""

import base64
import binascii
import re

_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_OTHER_BEGINNINGS = (
    (b"%PDF", "a PDF document"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"\0\0\1\0", "an ICO image"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"%!PS", "a PostScript file"),
    (b"PK\3\4", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"FWS", "a Flash film"),
    (b"CWS", "a Flash film"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (b"version https://git-lfs", "a pointer of Git LFS, in place of the image,"),
)
# Brands of the boxes that AVIF, HEIC and MP4 share.
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def format_of(data: bytes) -> str:
    """Pillow's name of a format that may be read; empty for any other."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if _brands(data) & _AVIF_BRANDS:
        return "AVIF"
    return next((name for beginning, name in _BEGINNINGS if data.startswith(beginning)), "")


def _brands(data: bytes) -> set[bytes]:
    """What an ISO media file says that it is; the first brand and those that it is read as."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 1_024)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def name_of(data: bytes) -> str:
    """What a file is, in words, as far as its bytes tell."""
    size = f"{len(data)} bytes"
    if kind := format_of(data):
        return f"{'an' if kind == 'AVIF' else 'a'} {kind} image of {size}"
    brands = _brands(data)
    if brands & _HEIC_BRANDS:
        return f"a HEIC image of {size}; save it as JPEG"
    if brands:
        return f"a video (MP4 or QuickTime) of {size}"
    for beginning, name in _OTHER_BEGINNINGS:
        if data.startswith(beginning):
            return f"{name} of {size}"
    return _name_of_text(data[:4_096], size) or f"{size} that are none of these, or are cut short"


def _name_of_text(beginning: bytes, size: str) -> str:
    """What a text is, in words; empty for what is none."""
    text = _decoded(beginning).strip()
    if not text or not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return ""
    lower = text.lower()
    if re.search(r"<(?:!doctype html|html|head|body|title|p|div|h1)\b", lower):
        return f"an HTML page of {size}, perhaps an error in place of the image"
    if "<svg" in lower:
        return f"an SVG drawing of {size}; save it as PNG"
    if re.match(r"[a-z][a-z0-9+.-]*://\S+$", lower):
        return f"a URL, text of {size}; send the image itself"
    if text[0] in "{[<":
        kind = "an XML" if text[0] == "<" else "a JSON"
        return f"{kind} text of {size}, perhaps an error in place of the image"
    return _name_of_base64(text, size) or f"text of {size}"


def _decoded(beginning: bytes) -> str:
    """The text that bytes are, whatever writes it; empty where they are none."""
    encoding = "utf-8-sig"
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        return beginning.decode(encoding, "strict" if len(beginning) < 4_096 else "ignore")
    except UnicodeDecodeError:
        # A page may be in any encoding; that it is one stands there in ASCII.
        return beginning.decode("latin-1") if beginning.lstrip().startswith(b"<") else ""


def _name_of_base64(text: str, size: str) -> str:
    header, _, body = text.rpartition("base64,")
    letters = re.sub(r"\s", "", body)[:64].replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(letters[: len(letters) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    kind = format_of(decoded)
    if header or kind or _brands(decoded):
        of = f" of a {kind} image" if kind else ""
        return f"base64 text{of}, {size}; decode it first"
    return ""
