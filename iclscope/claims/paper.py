"""Papers by name: what is known without importing their figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from iclscope.core.errors import BadRequest, one_of_these, refused
from iclscope.core.html import html_settings
from iclscope.core.refusals import advice, not_installed
from iclscope.core.registry import PAPERS as _REGISTRY


class Abilities(NamedTuple):
    """What the theory or the model of a paper covers, for the page that shows papers side by side."""

    nonlinear_attention: bool = False
    mlp: bool = False
    distribution_shift: bool = False
    pruning: bool = False


NO_ABILITIES = Abilities()


@dataclass(frozen=True)
class Paper:
    """A paper whose figures are redrawn.

    Attributes:
        name: short name on the command line.
        title: the paper's title.
        citation: authors, venue, year.
        summary: one line for lists.
        seeds: how many seeds per point at each preset.
        model: what is trained, in a few words.
        task: what it learns in context, in a few words.
        abilities: what theory or model cover; None for what is about several papers, from which no sweep starts.
        question: what is asked.
        statement: which form its statements have.
        story: the paper in a few sentences, for a reader who has not read it.
        theorems: what its theorems say in a few words, by name ("Theorem 3.3").
        least_seeds: the fewest that give an interval; 1 where single seeds have one over prompts.
        slow_seeds: how many seeds at a preset for models that train much longer, where that is another number.
        package: where its figures are: every module below it that defines ``EXPERIMENT``.
        figures: or they themselves, as `Experiment`.
        start: preset → the training that sweeps start from, as ``module:function``; empty: the first of its figures.
        position: where it stands among the papers.
        scenes: figure → the state of the playground that shows it, as the end of an address.
    """

    name: str
    title: str
    citation: str
    summary: str
    seeds: Mapping[str, int]
    model: str
    task: str
    abilities: Abilities | None = NO_ABILITIES
    question: str = ""
    statement: str = ""
    story: str = ""
    theorems: Mapping[str, str] = field(default_factory=dict)
    least_seeds: int = 2
    slow_seeds: Mapping[str, int] = field(default_factory=dict)
    package: str = ""
    figures: tuple[Any, ...] = ()
    start: str = ""
    position: int = 100
    scenes: Mapping[str, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return html_settings(f"{self.title} ({self.citation})", self.facts)

    @property
    def facts(self) -> dict[str, str]:
        """What readers want to know about a paper first; empty entries are left out."""
        said = {"Model": self.model, "Data": self.task, "Question": self.question, "States": self.statement}
        return {name: text for name, text in said.items() if text}


class _Papers(Mapping[str, Paper]):
    """All papers that are known, ours and those of other packages, in the order of their positions."""

    def _known(self) -> dict[str, Paper]:
        found = {name: paper for name, paper in _REGISTRY.all() if isinstance(paper, Paper)}
        return dict(sorted(found.items(), key=lambda one: (one[1].position, one[0])))

    def __getitem__(self, name: str) -> Paper:
        found: Paper = _REGISTRY.get(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in _REGISTRY

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


PAPERS: Mapping[str, Paper] = _Papers()


def paper_named(name: str) -> Paper:
    """A paper by its short name.

    Raises:
        BadRequest: listing the papers there are.
    """
    return PAPERS[name]


def requested_papers(names: Sequence[str]) -> list[str]:
    """The short names of the papers asked for, with "all" expanded, each once.

    Raises:
        BadRequest: if none is named, or one does not exist.
    """
    if not names:
        raise BadRequest(f"PAPER is missing: {', '.join(PAPERS)} or all")
    for name in names:
        if name != "all" and name not in PAPERS:
            raise refused("PAPER", name, one_of_these([*PAPERS, "all"]) + (not_installed(name) or advice(name, PAPERS)))
    spelled = [paper for name in names for paper in (PAPERS if name == "all" else (paper_named(name).name,))]
    return list(dict.fromkeys(spelled))
