"""The page that shows papers side by side: what each covers, the common figure, all claims and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iclscope.study.pages.page import anchor, counted_verdicts, page_environment
from iclscope.study.pages.theorem_cards import TheoremCard, theorem_cards

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import JudgedClaim

ABILITIES = ("nonlinear attention", "MLP", "distribution shift", "pruning")
"""The columns of the table, in the order of a paper's abilities."""


_WORDS = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "inconclusive": ("open", "open")}


@dataclass(frozen=True)
class PaperCard:
    """What the page tells of one paper.

    Attributes:
        name: short name, as on the command line.
        title: the paper's title.
        citation: full reference; addresses in it become links.
        model: what is trained.
        task: what it learns in context.
        question: what is asked.
        statement: which form its statements have.
        story: the paper in a few sentences.
        theorems: what its theorems say in a few words, by name.
        abilities: whether theory or model cover each of `ABILITIES`; empty for what is no paper of its own.
        preset: the preset that was run.
        seeds: how many seeds per setting.
        claims: the judged claims.
        missing: figures that are not finished.
        address: of its report, relative to the page.
    """

    name: str
    title: str
    citation: str
    model: str
    task: str
    abilities: Sequence[bool]
    preset: str
    seeds: int
    claims: Sequence[JudgedClaim]
    missing: Sequence[str]
    address: str
    question: str = ""
    statement: str = ""
    story: str = ""
    theorems: Mapping[str, str] = field(default_factory=dict)

    @property
    def cards(self) -> list[TheoremCard]:
        """Its theorems with the verdicts on them."""
        return theorem_cards(self.claims, self.theorems)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many claims of the paper hold, fail and stay open."""
        return counted_verdicts([judged for judged in self.claims if not judged.is_ours])

    @property
    def rows(self) -> list[tuple[str, JudgedClaim]]:
        """Each claim of the paper with where its report speaks of it."""
        return self._rows(ours=False)

    @property
    def questions(self) -> list[tuple[str, JudgedClaim]]:
        """The same of the questions of ours."""
        return self._rows(ours=True)

    def _rows(self, *, ours: bool) -> list[tuple[str, JudgedClaim]]:
        chosen = [judged for judged in self.claims if judged.is_ours == ours]
        return [(f"{self.address}#{anchor(judged.claim.id, 'claim')}", judged) for judged in chosen]


@dataclass(frozen=True)
class CommonFigure:
    """A figure in which models of several papers stand together.

    Attributes:
        title: heading.
        caption: what it shows and how to read it.
        finding: one sentence computed from the rows.
        svg: what ``save_figure`` returned; put into the page as it is.
    """

    title: str
    caption: str
    finding: str
    svg: str


def render_index(papers: Sequence[PaperCard], common: Sequence[CommonFigure]) -> str:
    """Make the page; like a report it needs no network and no script.

    Args:
        papers: what to show, in order.
        common: figures above the claims.

    Returns:
        The text of an HTML file (UTF-8).
    """
    judged = [one for paper in papers for one in paper.claims]
    claims = [one for one in judged if not one.is_ours]
    return (
        page_environment()
        .get_template("index.html.jinja")
        .render(
            papers=papers,
            covered=[paper for paper in papers if paper.abilities],
            words=_WORDS,
            common=common,
            abilities=ABILITIES,
            claims=claims,
            counts=counted_verdicts(claims),
            questions=len(judged) - len(claims),
            unproven=[one.claim.id for one in judged if one.control_verdict != "fails"],
        )
    )
