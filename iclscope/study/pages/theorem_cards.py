"""The theorems of a paper in a row, each with the verdicts on the claims that rest on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import JudgedClaim

_PLACE = re.compile(
    r"\b(?:(Theorem|Proposition|Corollary|Lemma)s?\s+(\d[\d.]*\d|\d+)|Sections?|Figures?|Tables?|Appendix|Abstract)\b",
    re.IGNORECASE,
)


class TheoremCard(NamedTuple):
    """A theorem with what was found.

    Attributes:
        name: "Theorem 3.3".
        statement: what it says, in a few words; may be empty.
        claims: the judged claims whose source names it before any other place.
    """

    name: str
    statement: str
    claims: Sequence[JudgedClaim]


def theorem_cards(claims: Sequence[JudgedClaim], statements: Mapping[str, str]) -> list[TheoremCard]:
    """One card per theorem that claims of a paper name as their source, in the paper's order.

    Args:
        claims: all judged claims; questions of ours have no card.
        statements: what theorems say, by name; those that are not here follow, without words.
    """
    found: dict[str, list[JudgedClaim]] = {name: [] for name in statements}
    for judged in claims:
        place = _PLACE.search(judged.claim.source)
        if place is not None and place[1] is not None and not judged.is_ours:
            found.setdefault(f"{place[1].capitalize()} {place[2]}", []).append(judged)
    ordered = sorted(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
    return [TheoremCard(name, statements.get(name, ""), found[name]) for name in ordered if found[name]]
