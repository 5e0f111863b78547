"""What every experiment and every claim must have, read off the catalogue: no training."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import says

from iclscope.claims.claim import Claim
from iclscope.claims.intervals import ENOUGH_SEEDS
from iclscope.claims.reference import FIRST_SEED
from iclscope.core.errors import BadRequest
from iclscope.core.registry import HERE, Entry
from iclscope.core.registry import PAPERS as REGISTRY
from iclscope.study.experiment import (
    PAPERS,
    PRESETS,
    Experiment,
    Preset,
    experiments_named,
    experiments_of,
    figure_names,
    paper_named,
)
from iclscope.study.reproduce import reproduce

FIGURES = {
    "li2024": [
        "prompt",
        "generalization",
        "gpt2-task-share",
        "growth-laws",
        "robustness",
        "iterations",
        "phase-alpha-steps",
        "prompt-length",
        "phase-alpha-length",
        "width-batch",
        "ood-s1",
        "gpt2-ood-s1",
        "phase-s1-alpha",
        "ood-span",
        "s1-argument",
        "ood-alpha",
        "gpt2-ood-alpha",
        "baselines",
        "pruning-methods",
        "pruning-sizes",
        "pruning-alpha",
        "pruning-linearity",
        "qk-magnitude",
        "attention",
        "attn-filter",
        "neuron-feature",
        "neuron-label",
        "neuron-kinds",
        "multilayer-attention",
        "multilayer-neurons",
    ],
    "garg2022": [
        "linear",
        "sparse-linear",
        "decision-tree",
        "relu-network",
        "ood",
        "other-functions",
        "curriculum",
    ],
    "vonoswald2023": ["loss", "alignment", "deep", "ood", "copy", "sine", "distractors"],
    "zhang2024": [
        "gradient-flow",
        "limits",
        "risk-lengths",
        "risk-bound",
        "shifts",
        "random-covariances",
        "gpt2-covariances",
    ],
    "huang2024": ["balanced", "imbalanced", "gradient", "convergence-k", "convergence-eta-epsilon"],
    "comparison": ["common-task"],
}
# The rows of the claims table in the description of the paper; "width-batch" speaks of two quantities.
FAMILIES = [
    "thm3.3-generalization",
    "thm3.3-iterations",
    "thm3.3-prompt-length",
    "thm3.3-training-length",
    "thm3.3-testing-length",
    "thm3.3-width",
    "thm3.3-batch",
    "thm3.4-ood",
    "thm3.7-two-groups",
    "thm3.7-prune-small",
    "thm3.7-prune-large",
    "prop4.1-projection",
    "prop4.1-concentration",
    "prop4.2-feature",
    "prop4.2-label",
    # The phase diagrams.
    "thm3.3-phase-length",
    "thm3.3-phase-steps",
    "thm3.4-phase-s1",
    # The figures for GPT-2.
    "gpt2-task",
    "gpt2-ood",
    "gpt2-alpha",
    "multilayer-attention",
    "multilayer-neurons",
]
NAMED = {paper: f"{paper[:-4].title()} et al. {paper[-4:]}, " for paper in FIGURES}
NAMED |= dict.fromkeys(("vonoswald2023", "comparison"), "von Oswald et al. 2023, ")
EXPERIMENTS = [(paper, experiment) for paper in PAPERS for experiment in experiments_of(paper)]
CLAIMS = [(paper, claim) for paper, experiment in EXPERIMENTS for claim in experiment.claims]


def ids(paper: str) -> list[str]:
    return [claim.id for name, claim in CLAIMS if name == paper]


@pytest.mark.parametrize("paper", list(PAPERS))
def test_figures_have_the_agreed_names_in_the_order_of_the_report(paper: str) -> None:
    assert [experiment.name for experiment in experiments_of(paper)] == FIGURES[paper]
    positions = [experiment.position for experiment in experiments_of(paper)]
    assert positions == sorted(set(positions)), "two figures at one place have no order"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_result_of_the_paper_has_a_claim(family: str) -> None:
    assert [name for name in ids("li2024") if name == family or name.startswith(f"{family}-")]


def test_every_class_of_functions_has_a_claim() -> None:
    assert {name.split("-")[0] for name in ids("garg2022")} == {
        *("linear", "sparse", "tree", "network", "ood", "other", "curriculum")
    }


def test_every_theorem_of_zhang_has_a_claim() -> None:
    assert {name.split("-")[0] for name in ids("zhang2024")} == {
        "cor43",
        "flow",
        "limits",
        "risk",
        "shift",
        "random",
        "gpt2",
    }


@pytest.mark.parametrize("paper", list(PAPERS))
def test_claim_ids_are_unique_in_the_paper(paper: str) -> None:
    assert sorted(ids(paper)) == sorted(set(ids(paper)))


@pytest.mark.parametrize("experiment", [one for _, one in EXPERIMENTS], ids=lambda experiment: experiment.name)
def test_every_figure_says_what_it_is_and_claims_something(experiment: Experiment) -> None:
    assert experiment.claims or experiment.opening, "what opens a report may claim nothing"
    assert experiment.title
    assert "\n" not in experiment.title
    assert len(experiment.caption) > 40
    assert min(experiment.size) > 1


@pytest.mark.parametrize(("paper", "claim"), CLAIMS, ids=[claim.id for _, claim in CLAIMS])
def test_every_claim_can_fail_and_says_why(paper: str, claim: Claim) -> None:
    low, high = claim.expected
    assert low <= high, "an empty region"
    assert math.isfinite(low) or math.isfinite(high), "a region without any end cannot be missed"
    for text in (claim.statement, claim.source, claim.quantity, claim.reason, claim.control.description):
        assert text.strip()
        assert "\n" not in text
    assert claim.source.startswith(NAMED[paper])
    assert claim.control.arm != claim.arm


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("paper", list(PAPERS))
def test_every_figure_trains_as_many_models_for_each_seed(paper: str, name: str) -> None:
    preset = Preset.named(name, seeds=2, paper=paper)
    for experiment in experiments_of(paper):
        trials = experiment.trials(preset)
        assert {trial.seed % FIRST_SEED for trial in trials} == {0, 1}
        per_seed = [len([trial for trial in trials if trial.seed % FIRST_SEED == seed]) for seed in (0, 1)]
        assert per_seed[0] == per_seed[1] > 0
        larger = experiment.trials(Preset.named(name, seeds=3, paper=paper))
        assert {trial.hash for trial in trials} < {trial.hash for trial in larger}, "more seeds must only add trials"


def test_a_checkpoint_has_one_name_and_a_name_one_checkpoint() -> None:
    """Figures may share a trained model; two models under one name would overwrite each other."""
    for preset in (Preset.named(name, paper="garg2022") for name in PRESETS):
        named: dict[str, str] = {}
        for experiment in experiments_of("garg2022"):
            for trial in experiment.trials(preset) if experiment.checkpoint else ():
                assert experiment.checkpoint is not None
                assert named.setdefault(experiment.checkpoint(trial), trial.hash) == trial.hash
        assert len(set(named.values())) == len(named) == 4 * len(preset.seeds)
        assert all(name == name.lower() and name.replace("-", "").isalnum() for name in named)


def test_presets() -> None:
    quick, lab, paper = (Preset.named(name) for name in ("quick", "lab", "paper"))
    assert len(quick.seeds) >= 5
    assert len(paper.seeds) > len(lab.seeds) >= len(quick.seeds) >= ENOUGH_SEEDS
    assert paper.prompts > lab.prompts > quick.prompts
    assert Preset.named("quick", 3).seeds == (0, 1, 2)
    assert quick.seeds_of_slow_models == quick.seeds
    assert Preset.named("quick", 7).seeds_of_slow_models == tuple(range(7))
    assert len(paper.seeds_of_slow_models) == 20
    assert Preset("quick", (1, 2), 8).seeds_of_slow_models == (1, 2)
    assert [preset.is_paper for preset in (quick, lab, paper)] == [False, False, True]


def test_every_paper_has_seeds_for_every_preset() -> None:
    for paper in PAPERS.values():
        assert set(paper.seeds) == set(PRESETS)
        assert min(paper.seeds.values()) >= paper.least_seeds
        for name in PRESETS:
            assert Preset.named(name, paper=paper.name).seeds == tuple(range(paper.seeds[name]))
    # The published run of Garg 2022 is one.
    assert Preset.named("paper", paper="garg2022").seeds == (0,)
    assert Preset.named("quick", 1, paper="garg2022").seeds == (0,)


@pytest.mark.parametrize(
    ("arguments", "paper", "words"),
    [
        (("huge",), "li2024", ("preset", "huge", "quick", "lab", "paper")),
        (("huge",), "garg2022", ("preset", "huge", "quick", "lab", "paper")),
        (("quick", 1), "li2024", ("seeds", "1", "at least 2")),
        (("quick", 0), "li2024", ("seeds", "0", "at least 2")),
        (("quick", -3), "li2024", ("seeds", "-3", "at least 2")),
        (("quick", 10**23), "li2024", ("seeds", str(10**23), "at most 100000")),
        (("paper", 0), "garg2022", ("seeds", "0", "at least 1")),
        (("paper", -1), "garg2022", ("seeds", "-1", "at least 1")),
        (("quick",), "garg2023", ("PAPER", "garg2023", "li2024", "garg2022")),
    ],
)
def test_presets_refuse(arguments: tuple[str, int], paper: str, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        Preset.named(*arguments, paper=paper)
    assert all(says(str(refusal.value), word) for word in words)
    assert "\n" not in str(refusal.value)


def test_unknown_papers_and_figures_are_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match=r"garg2022.*li2024"):
        paper_named("li2025")
    for paper, figures in FIGURES.items():
        with pytest.raises(BadRequest) as refusal:
            experiments_named(paper, [figures[0], "attentoin"])
        assert "attentoin" in str(refusal.value)
        assert all(name in str(refusal.value) for name in figures)


@pytest.mark.parametrize("paper", list(PAPERS))
def test_figures_have_names_before_they_are_imported(paper: str) -> None:
    assert figure_names(paper) == FIGURES[paper]


def test_a_figure_is_imported_alone() -> None:
    code = (
        "import sys\nfrom iclscope.study.experiment import experiments_named\n"
        "assert [one.name for one in experiments_named('li2024', ['ood-s1'])] == ['ood-s1']\n"
        "figures = [name for name, module in sys.modules.items() if 'EXPERIMENT' in vars(module)]\nprint(*figures)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["iclscope.papers.li2024.one_layer.ood_s1"]


MADE = "from study.tiny import tiny_experiment\nEXPERIMENT = tiny_experiment('{name}', position={position})\n"
PLAIN = (
    "from study.tiny import tiny_experiment\nimport iclscope as icl\nrest = dict(vars(tiny_experiment()))\n"
    "del rest['name'], rest['position']\n"
    "EXPERIMENT = icl.Experiment(name='{name}', position={position}, **rest)\n"
)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``outside(module=(text, name, position), …)``: a paper whose figures are in modules of these texts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = f"outside_{tmp_path.name}".replace("-", "_")

    def make(**modules: tuple[str, str, int]) -> None:
        (tmp_path / package / "inner").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        for module, (text, name, position) in modules.items():
            file = tmp_path / package / "inner" / f"{module}.py"
            file.write_text(text.format(name=name, position=position), encoding="utf-8")
        paper = replace(paper_named("li2024"), name="outside", package=package)
        monkeypatch.setitem(REGISTRY._entries, "outside", Entry(HERE, "", package))
        monkeypatch.setitem(REGISTRY._loaded, "outside", paper)

    return make


def test_figures_of_others_are_found_however_they_say_their_names(outside: Callable[..., None]) -> None:
    outside(one=(PLAIN, "late", 2), two=(MADE, "early", 1), rows=('WHAT = "EXPERIMENT"', "none", 0))
    assert figure_names("outside") == ["early", "late"]
    assert [one.position for one in experiments_named("outside")] == [1, 2]
    assert [one.name for one in experiments_named("outside", ["late"])] == ["late"]


def test_a_faulty_figure_does_not_hinder_another(outside: Callable[..., None]) -> None:
    outside(one=(PLAIN, "good", 1), two=("1 / 0\n" + PLAIN, "bad", 2))
    assert [one.name for one in experiments_named("outside", ["good"])] == ["good"]
    with pytest.raises(ZeroDivisionError):
        experiments_of("outside")


def test_one_figure_is_reproduced_and_reported_without_the_others(outside: Callable[..., None], tmp_path: Path) -> None:
    outside(one=(PLAIN, "good", 1), two=("1 / 0\n" + PLAIN, "bad", 2))
    done = reproduce("outside", figures=["good"], seeds=2, out=tmp_path / "results")
    assert [claim.figure for claim in done.claims] == ["good"] * 3
    page = done.report.read_text(encoding="utf-8")
    assert "Not finished" not in page
    assert "1&nbsp;more figure of the paper can be made." in page


def test_two_figures_of_one_name_are_refused(outside: Callable[..., None]) -> None:
    outside(one=(PLAIN, "same", 1), two=(PLAIN, "same", 2))
    with pytest.raises(BadRequest, match="figure of outside: expected"):
        figure_names("outside")


def test_a_module_is_no_package_to_look_for_figures_in(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = replace(paper_named("li2024"), package="iclscope.claims.paper")
    monkeypatch.setitem(REGISTRY._loaded, "li2024", paper)
    with pytest.raises(BadRequest, match=r"package: expected a folder"):
        figure_names("li2024")


def test_named_experiments_keep_the_order_of_the_report() -> None:
    chosen = experiments_named("li2024", ["attention", "iterations", "attention"])
    assert [experiment.name for experiment in chosen] == ["iterations", "attention"]
    assert [experiment.name for experiment in experiments_named("garg2022", ["ood", "linear"])] == ["linear", "ood"]
    assert [experiment.name for experiment in experiments_named("li2024")] == FIGURES["li2024"]


def test_papers_are_listed_under_their_own_names() -> None:
    assert all(name == paper.name for name, paper in PAPERS.items())
    assert set(PAPERS) == set(FIGURES)
