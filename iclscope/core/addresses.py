"""What may be shown of an address: never a user name, a password, a token, a query or a fragment.

People write passwords that no standard allows in an address, as ``s3://KEY:SE/CRET@bucket``, and then parsers take one
part of the secret for a host and another for a path. So we hide generously: all that stands before the last ``@``, and
all that stands behind the first ``?``, ``#`` or ``;``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

HIDDEN = "***"
"""Stands for what is not shown."""

# s3://, and simplecache::s3://; a path object makes one slash of two.
_SCHEME = re.compile(r"(?:[A-Za-z][\w+.-]*::)*[A-Za-z][\w+.-]*:/+")
# me:password@host, and what a scheme without a slash leaves. A folder named like this is written ./me:password@host.
_USER_ALONE = re.compile(r"(?://+[^@]*|[^\s/@.~][^\s/@]*:[^\s]*|[.~][^\s/@]+:[^\s]*)@")
_BEHIND_PATH = re.compile(r"[?#;]")
_SEPARATORS = re.compile(r"[@/:?#&;=,\s\\]+")
_ANYWHERE = 4
"""Characters from which on a part of a secret is hidden within words, too."""

_QUOTED = re.compile(r"""(?P<mark>['"])(?P<inside>(?:[A-Za-z][\w+.:-]*:/|[^\s'"]*:[^\s'"]*@).*?)(?P=mark)(?![\w@])""")
_BARE = re.compile(r"""(?:[A-Za-z][\w+.-]*::)*[A-Za-z][\w+.-]*://+\S+""")
_CUT = re.compile(r"^([^/]*:/+)[^/@\[]*:(?!\d*(?:/|$)).*")
_CLOSING = "'\"`)]}>.,;:!"


def is_address(text: str) -> bool:
    """Whether a text is an address of something elsewhere, or was meant as one, and no path of this machine."""
    return _SCHEME.match(text) is not None or _USER_ALONE.match(text) is not None


def has_scheme(text: str) -> bool:
    """Whether a text begins as an address does: ``s3://``, or the ``s3:/`` that a path object makes of it."""
    found = _SCHEME.match(text)
    return found is not None and len(found[0].rstrip("/")) > 2  # C:/ is a drive


def shown_address(address: str) -> str:
    """An address that may be shown and written down; a path of this machine is left as it is.

    Args:
        address: as it was given: ``sftp://me:p@ss@host/path?x=1``.

    Returns:
        The same with `HIDDEN` for secrets: ``sftp://***@host/path?***``.
    """
    scheme, shown, _ = _parted(address)
    return f"{scheme}{shown}"


def without_secrets(text: str, address: str | None = None) -> str:
    """A text, such as the message of somebody else's exception, with nothing secret of any address in it.

    Args:
        text: any text.
        address: one whose secrets are known and may stand in the text by themselves, decoded or encoded.

    Returns:
        The text, with `shown_address` for whole addresses and `HIDDEN` for parts of secrets.
    """
    if address is not None:
        text = text.replace(address, shown_address(address))
        for part in sorted(set(_parts_of(_parted(address)[2])), key=len, reverse=True):
            within = re.escape(part)
            pattern = within if len(part) >= _ANYWHERE else rf"(?<!\w){within}(?!\w)"
            text = re.sub(pattern, HIDDEN, text, flags=re.IGNORECASE)
    text = _QUOTED.sub(lambda found: f"{found['mark']}{shown_address(found['inside'])}{found['mark']}", text)
    return _BARE.sub(_shown_bare, text)


def has_secrets(address: str) -> bool:
    """Whether there is anything in an address that may not be shown."""
    return bool(_parted(address)[2])


def _parted(address: str) -> tuple[str, str, list[str]]:
    """The scheme, what may be shown behind it, and what may not."""
    found = _SCHEME.match(address)
    if found is None and _USER_ALONE.match(address) is None:
        return "", address, []
    scheme = found[0] if found else ""
    rest = address[len(scheme) :]
    before, mark, behind = _split_first(rest)
    if "@" in behind:
        # A password with such a character, or a query with an "@": nobody can tell, and neither may be shown.
        secrets = [rest, *_by_the_standard(address)]
        return scheme, HIDDEN, [part for part in secrets if part]
    user, at, place = before.rpartition("@")
    secrets = [part for part in (user, behind, *_by_the_standard(address)) if part]
    return scheme, f"{HIDDEN if at else ''}{at}{place}{mark}{HIDDEN if behind else ''}", secrets


def _split_first(text: str) -> tuple[str, str, str]:
    found = _BEHIND_PATH.search(text)
    return (text, "", "") if found is None else (text[: found.start()], found[0], text[found.end() :])


def _by_the_standard(address: str) -> Iterator[str]:
    """What the standard library takes for secret; other clients parse as it does, and their messages have its parts."""
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that are no IPv6 address, say
        return
    yield from (part for part in (parts.username, parts.password, parts.query, parts.fragment) if part)


def _parts_of(secrets: list[str]) -> Iterator[str]:
    """Secrets and whatever a parser may cut out of them, as they are, decoded, and encoded."""
    for secret in secrets:
        pieces = {secret, *secret.split(":", 1), *_SEPARATORS.split(secret), *_values(secret)}
        for piece in pieces:
            spelled = (
                piece,
                unquote(piece),
                unquote_plus(piece),
                quote(piece, safe=""),
                quote(piece),
                quote_plus(piece),
            )
            yield from (text for text in spelled if text.strip())
            yield from (repr(piece)[1:-1],) if piece.strip() else ()


def _values(query: str) -> Iterator[str]:
    """The values of a query, ``sig=abc&x=1``."""
    for setting in re.split(r"[&;]", query):
        yield setting.partition("=")[2]


def _shown_bare(found: re.Match[str]) -> str:
    """An address within a text, and the punctuation behind it."""
    core = rest = found[0].rstrip(_CLOSING)
    # A message that was cut may end before the "@": what stands behind a colon and is no port is a password.
    if "@" not in core:
        core = _CUT.sub(rf"\1{HIDDEN}", core)
    return shown_address(core) + found[0][len(rest) :]
