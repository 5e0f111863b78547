"""What an experiment is, and where the experiments of a paper are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import polars as pl
from matplotlib.figure import Figure

from iclscope.claims.claim import Claim
from iclscope.claims.conditions import Condition, all_met
from iclscope.core.arguments import list_of, whole_number
from iclscope.core.errors import BadRequest, require
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

PRESETS = ("quick", "lab", "paper")
MOST_SEEDS = 100_000


@dataclass(frozen=True)
class Preset:
    """How much an experiment may cost.

    Attributes:
        name: "quick" (two cores, minutes), "lab" (one good GPU, minutes) or "paper" (the published settings where they
            are larger; finer grids, more seeds and prompts).
        seeds: the seeds of every point.
        prompts: test prompts per seed and point of pattern tasks.
        slow_seeds: the seeds of models that train a thousand times as long as the paper's own; None: the same.
    """

    name: str
    seeds: tuple[int, ...]
    prompts: int
    slow_seeds: tuple[int, ...] | None = None

    @classmethod
    def named(cls, name: str, seeds: int | None = None, *, paper: str = "li2024") -> Preset:
        """The preset of that name, with another number of seeds if one is given.

        Args:
            name: one of `PRESETS`.
            seeds: how many, of every model; None: the paper's own numbers for this preset.
            paper: whose numbers of seeds count.

        Raises:
            BadRequest: if there is no such preset, or fewer seeds are asked for than give an interval, or too many.
        """
        require(isinstance(name, str) and name in PRESETS, "preset", name, " or ".join(PRESETS))
        about = paper_named(paper)
        count = about.seeds[name] if seeds is None else whole_number("seeds", seeds)
        allowed = "at least 2, or there is no interval" if about.least_seeds > 1 else "at least 1"
        require(count >= about.least_seeds, "seeds", count, allowed)
        require(count <= MOST_SEEDS, "seeds", count, f"at most {MOST_SEEDS}")
        slow = about.slow_seeds.get(name, count) if seeds is None else count
        return cls(name, tuple(range(count)), {"quick": 4096, "lab": 16384, "paper": 32768}[name], tuple(range(slow)))

    @property
    def seeds_of_slow_models(self) -> tuple[int, ...]:
        """The seeds of models that train much longer than others: GPT-2 beside one layer."""
        return self.seeds if self.slow_seeds is None else self.slow_seeds

    @property
    def is_paper(self) -> bool:
        """Whether this is the paper preset."""
        return self.name == "paper"


@dataclass(frozen=True)
class Experiment:
    """One figure of a paper: what is trained, how it is measured, what is claimed, how it is drawn.

    Attributes:
        name: the figure's name on the command line and on disk.
        title: its heading.
        caption: what it shows and how to read it.
        position: where it stands in the report.
        trials: what to train for a preset.
        measure: trained models → rows; called once per group of equal shape.
        claims: what the paper says of it.
        draw: rows → figure. Never trains, never measures.
        finding: rows → one sentence with the figure's main numbers.
        size: width and height in inches.
        controls: all measured rows → the rows of controls that need no model; None if there are none.
        conditions: a trial → the conditions of the paper's theorem beside what it has; empty for a trial that the
            theorem does not speak of; None if no theorem is asked.
        checkpoint: the name under which a trained model is also written as a checkpoint of its own; None: under none.
    """

    name: str
    title: str
    caption: str
    position: int
    trials: Callable[[Preset], Sequence[Trial]]
    measure: Callable[[TrainedGroup[Any], Preset], pl.DataFrame]
    claims: tuple[Claim, ...]
    draw: Callable[[Figure, pl.DataFrame], None]
    finding: Callable[[pl.DataFrame], str]
    size: tuple[float, float] = (6.4, 3.6)
    controls: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    conditions: Callable[[Trial], Sequence[Condition]] | None = None
    checkpoint: Callable[[Trial], str] | None = None

    def rows(self, groups: Iterable[TrainedGroup[Any]], preset: Preset, workers: int = 1) -> pl.DataFrame:
        """Measure trained models into the figure's table, controls included.

        Args:
            groups: the trained models, in groups of equal shape.
            preset: how much it may cost.
            workers: how many groups to measure at a time, in threads; the rows do not depend on it.
        """
        with ThreadPoolExecutor(workers) as pool:
            measured = pl.concat(pool.map(lambda group: self._measured(group, preset), groups), how="diagonal")
        return measured if self.controls is None else pl.concat([measured, self.controls(measured)], how="diagonal")

    def _measured(self, group: TrainedGroup[Any], preset: Preset) -> pl.DataFrame:
        if self.conditions is None:
            return self.measure(group, preset)
        meets = [all_met(self.conditions(trial)) for trial in group.trials]
        return self.measure(replace(group, meets=meets), preset)


class Abilities(NamedTuple):
    """What the theory or the model of a paper covers, for the page that shows papers side by side."""

    nonlinear_attention: bool = False
    mlp: bool = False
    distribution_shift: bool = False
    pruning: bool = False


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
        abilities: what theory or model cover; None for what is about several papers.
        least_seeds: the fewest that give an interval; 1 where single seeds have one over prompts.
        slow_seeds: how many seeds at a preset for models that train much longer, where that is another number.
    """

    name: str
    title: str
    citation: str
    summary: str
    seeds: Mapping[str, int]
    model: str
    task: str
    abilities: Abilities | None
    least_seeds: int = 2
    slow_seeds: Mapping[str, int] = field(default_factory=dict)


PAPERS = {
    paper.name: paper
    for paper in (
        Paper(
            "li2024",
            "How Do Nonlinear Transformers Learn and Generalize in In-Context Learning?",
            "Li, Wang, Lu, Cui and Chen, ICML 2024, arXiv:2402.15607",
            "one layer of softmax attention and a ReLU MLP, and GPT-2, trained on prompts of orthogonal patterns",
            seeds={"quick": 20, "lab": 20, "paper": 30},
            slow_seeds={"quick": 5, "lab": 10, "paper": 20},
            model="one layer: softmax attention, then a ReLU MLP; GPT-2 with 3 layers",
            task="binary classification of inputs made of orthogonal patterns",
            abilities=Abilities(nonlinear_attention=True, mlp=True, distribution_shift=True, pruning=True),
        ),
        Paper(
            "garg2022",
            "What Can Transformers Learn In-Context? A Case Study of Simple Function Classes",
            "Garg, Tsipras, Liang and Valiant, NeurIPS 2022, arXiv:2208.01066",
            "GPT-2 trained to learn linear functions, sparse ones, decision trees and ReLU networks in context",
            # One seed is the published run; its intervals are over prompts.
            seeds={"quick": 3, "lab": 3, "paper": 1},
            model="GPT-2 with 3 to 12 layers",
            task="linear and sparse linear functions, decision trees, ReLU networks",
            abilities=Abilities(nonlinear_attention=True, mlp=True, distribution_shift=True),
            least_seeds=1,
        ),
        Paper(
            "vonoswald2023",
            "Transformers Learn In-Context by Gradient Descent",
            "von Oswald, Niklasson, Randazzo, Sacramento, Mordvintsev, Zhmoginov and Vladymyrov, ICML 2023, "
            "arXiv:2212.07677",
            "linear self-attention constructed and trained to take steps of gradient descent in context",
            seeds={"quick": 5, "lab": 10, "paper": 10},
            model="linear attention of one or several layers",
            task="linear regression on uniform inputs; sine waves",
            abilities=Abilities(mlp=True, distribution_shift=True),
        ),
        Paper(
            "zhang2024",
            "Trained Transformers Learn Linear Models In-Context",
            "Zhang, Frei and Bartlett, JMLR 2024, arXiv:2306.09927",
            "one layer of linear attention under gradient flow, beside exact limits, risks and shifts",
            seeds={"quick": 5, "lab": 8, "paper": 10},
            model="one layer of linear attention; GPT-2 beside it",
            task="linear regression on Gaussian inputs of any covariance",
            abilities=Abilities(distribution_shift=True),
        ),
        Paper(
            "huang2024",
            "In-Context Convergence of Transformers",
            "Huang, Cheng and Liang, ICML 2024, arXiv:2310.05249",
            "one layer of softmax attention trained on prompts of orthonormal features, phase by phase",
            seeds={"quick": 5, "lab": 10, "paper": 20},
            model="one layer of softmax attention with one trained matrix",
            task="linear functions of inputs that are one of K orthonormal features",
            abilities=Abilities(nonlinear_attention=True),
        ),
        Paper(
            "comparison",
            "The models of all papers on one task",
            "iclscope, on Li 2024, Garg 2022, von Oswald 2023, Zhang 2024 and Huang 2024",
            "every attention model of the papers trained on linear functions at equal budget",
            seeds={"quick": 3, "lab": 5, "paper": 5},
            model="the models of the papers above",
            task="random linear functions",
            abilities=None,
        ),
    )
}


def paper_named(name: str) -> Paper:
    """A paper by its short name.

    Raises:
        BadRequest: listing the papers there are.
    """
    if not isinstance(name, str) or name not in PAPERS:
        raise BadRequest(f"PAPER = {name!r} is not allowed: {', '.join(PAPERS)} or all")
    return PAPERS[name]


def experiments_of(paper: str) -> list[Experiment]:
    """All experiments of a paper, in the order of the report.

    Every module in the paper's folder that defines ``EXPERIMENT`` is one, so adding a figure touches one file.
    """
    package = importlib.import_module(f"iclscope.papers.{paper_named(paper).name}")
    modules = [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not info.name.endswith(".predict")  # of the command line
    ]
    found: list[Experiment] = [module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")]
    return sorted(found, key=lambda experiment: experiment.position)


def experiments_named(paper: str, figures: Sequence[str] = ()) -> list[Experiment]:
    """The named experiments of a paper, or all if none is named.

    Raises:
        BadRequest: listing the figures there are.
    """
    experiments = experiments_of(paper)
    names = [experiment.name for experiment in experiments]
    figures = list_of("figures", figures, "names of figures")
    for figure in figures:
        require(figure in names, "figure", figure, f"figures of {paper}: {', '.join(names)}")
    return [experiment for experiment in experiments if not figures or experiment.name in figures]
