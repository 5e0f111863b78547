"""Which texts count as the same."""

from __future__ import annotations

import unicodedata

_FULL_STOPS = ".。।۔։።။"


def folded(text: str) -> str:
    r"""A text without what does not make it another one: equal texts have equal folded texts.

    Case, spaces and line ends (how many, and of which kind, around the text too), full stops at the end, invisible
    characters, and how characters are encoded in Unicode (NFKC: "ﬁ" and "fi", "Ａ" and "A", one code point or two for
    "é") do not count. Case goes by Unicode's full case folding, so "Straße" is "STRASSE". A text of nothing else is
    folded by spaces alone.

    Example:
        >>> folded("  A\u00a0Good  FILM.")
        'a good film'
    """
    plain = text
    for _ in range(2):  # folding case may give what is not in normal form
        plain = unicodedata.normalize("NFKC", plain).casefold()
    plain = "".join(one for one in plain if unicodedata.category(one) != "Cf" and not "\ufe00" <= one <= "\ufe0f")
    plain = " ".join(plain.split())
    stripped = plain.rstrip(_FULL_STOPS + " ")
    return stripped or plain or text
