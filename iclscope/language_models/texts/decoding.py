"""From the bytes of a file to its characters."""

from __future__ import annotations

import codecs

from iclscope.core.errors import BadRequest, refused

_BYTE_ORDER_MARK = "\ufeff"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODING = "--encoding"


def check_encoding(name: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        BadRequest: naming it.
    """
    try:
        b"ab".decode(name)  # of nothing Python decodes in any encoding
    except UnicodeDecodeError:
        pass
    except (LookupError, ValueError):
        allowed = "an encoding that Python knows, as utf-8, utf-16, cp1252 (Windows) or gb18030"
        raise refused(ENCODING, name, allowed) from None


def decoded(content: bytes, encoding: str | None, option: str, shown: str, *, has_head: bool) -> str:
    """The characters of a file, without a byte order mark.

    Nothing is guessed and nothing is replaced: what is not of the encoding is refused.

    Args:
        content: the whole file.
        encoding: as Python names it; None: UTF-8.
        option: what the file was given as.
        shown: the file, as it was given.
        has_head: whether the first row holds names; it is not counted.

    Raises:
        BadRequest: naming the first row that is not of the encoding, and the option that would name another one; or if
            there is no such encoding.
    """
    if encoding is not None:
        check_encoding(encoding)
    else:
        marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
        if marked is not None:
            raise _refusal(option, shown, f"line 1 begins as a file in {marked} does")
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        row = _row(content[: error.start].decode("latin-1"), has_head)
        fault = f"{row} is not {encoding or 'UTF-8'}: byte 0x{content[error.start]:02x}"
        if encoding is None:
            raise _refusal(option, shown, fault) from None
        raise refused(ENCODING, encoding, f"that of {shown}; {fault}") from None
    if "\0" in text:  # ASCII in UTF-16 is UTF-8 too, with a null beside each letter
        row = _row(text[: text.index("\0")], has_head)
        raise _refusal(option, shown, f"{row} holds a null character, as text in utf-16-le or utf-16-be does")
    return text.removeprefix(_BYTE_ORDER_MARK)


def _refusal(option: str, shown: str, fault: str) -> BadRequest:
    allowed = f"a file in UTF-8, or {ENCODING} with its own, as cp1252 (Windows) or utf-16"
    return refused(option, shown, f"{allowed}; {fault}")


def _row(before: str, has_head: bool) -> str:
    """Row and line of what stands behind the beginning of a file."""
    *lines, _ = before.split("\n")
    row = sum(bool(line.strip()) for line in lines) + (0 if has_head else 1)
    line = f"line {len(lines) + 1}"
    unclear = has_head and '"' in before  # a row may then be several lines
    return line if unclear else f"row {row}, {line}," if row else f"the head, {line},"
