"""The terms of a text by which texts are compared: words, and pieces of words where a language writes no spaces."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import groupby

_WORD = "word"
_SIZES: dict[str, tuple[int, ...]] = {"ideographs": (1, 2), "letters": (2, 3)}
"""How long the pieces are: one ideograph or syllable means something by itself, one letter does not."""

_WITHOUT_SPACES = {
    "ideographs": ("CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "BOPOMOFO ", "YI SYLLABLE", "NUSHU ", "TANGUT "),
    "letters": (
        *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "JAVANESE ", "BALINESE "),
        *("TAI LE ", "NEW TAI LUE ", "TAI THAM ", "TAI VIET "),
    ),
}
"""Scripts that are written without spaces between words, by how the names of their characters in Unicode begin."""


def terms_of(text: str) -> list[str]:
    """The terms of a text, in order, without case and in Unicode's compatible form (NFKC).

    A term is a run of letters, digits, underscores and the marks upon them; none is left out, and none is cut to its
    stem, which would need a language. A run in a script without spaces (Chinese, Japanese, Thai, …) would be a whole
    sentence, which no other text has: there the terms are its pieces of one and two characters, or of two and three in
    alphabets, as in Lucene's analyser for Chinese, Japanese and Korean. A mixed text has both.

    Example:
        >>> terms_of("Good soup, 好汤!")
        ['good', 'soup', '好', '汤', '好汤']
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for kind, characters in groupby(plain, _kind):
        run = "".join(characters)
        if not any(_stands_alone(character) for character in run):
            continue  # a mark upon what is no term, such as a colour of an emoji
        if kind == _WORD:
            found.append(run)
        elif kind:
            found += _pieces(run, _SIZES[kind])
    return found


def _pieces(run: str, sizes: tuple[int, ...]) -> list[str]:
    """All pieces of these sizes; of a shorter run, itself."""
    if len(run) < sizes[0]:
        return [run]
    return [run[start : start + size] for size in sizes for start in range(len(run) - size + 1)]


@cache
def _kind(character: str) -> str:
    """What a character is a part of; nothing if it stands between terms."""
    if not (_stands_alone(character) or unicodedata.category(character).startswith("M")):
        return ""
    name = unicodedata.name(character, "")
    return next((kind for kind, starts in _WITHOUT_SPACES.items() if name.startswith(starts)), _WORD)


def _stands_alone(character: str) -> bool:
    return character.isalnum() or character == "_"
