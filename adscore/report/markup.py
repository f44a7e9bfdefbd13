"""Elements of HTML and SVG, built so that text is always escaped."""

import html

# Characters that no HTML document may hold, whatever the headline's author typed.
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)))
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_UNSAFE = {**_CONTROL, **_SURROGATES, 0xFFFE: None, 0xFFFF: None}

_VOID = frozenset({"img", "meta", "br"})


class Markup(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Text as it may stand in an element or in a quoted attribute."""
    return Markup(html.escape(text.translate(_UNSAFE)))


def join(*parts: str | None) -> Markup:
    """Parts one after another: markup as it is, text escaped, None left out."""
    return Markup(
        "".join(p if isinstance(p, Markup) else escape(p) for p in parts if p is not None)
    )


def element(tag: str, *children: str | None, **attributes: str | float | None) -> Markup:
    """One element; the result is well-formed XML too.

    Args:
        tag: Its name.
        children: Its content, as `join` takes it.
        attributes: Of ``class_`` the last underscore is dropped, of ``stroke_width`` the others
            become hyphens. None leaves the attribute out.
    """
    given = "".join(
        f' {name.removesuffix("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}/>")
    return Markup(f"<{tag}{given}>{join(*children)}</{tag}>")


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{round(value, 2):g}"  # a hundredth of a pixel
