"""What every experiment and every claim must have, read off the catalogue: no training."""

from __future__ import annotations

import math

import pytest

from iclscope.errors import BadRequest
from iclscope.experiments.claims import Claim
from iclscope.experiments.experiment import PAPERS, Experiment, Preset, experiments_named, experiments_of, paper_named

FIGURES = [
    "generalization",
    "iterations",
    "prompt-length",
    "width-batch",
    "ood-s1",
    "ood-span",
    "ood-alpha",
    "baselines",
    "pruning-methods",
    "pruning-alpha",
    "pruning-linearity",
    "qk-magnitude",
    "attention",
    "neuron-feature",
    "neuron-label",
]
# The rows of the claims table in the description of the paper; "width-batch" speaks of two quantities.
FAMILIES = [
    "thm3.3-generalization",
    "thm3.3-iterations",
    "thm3.3-prompt-length",
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
]
EXPERIMENTS = experiments_of("li2024")
CLAIMS = [(experiment, claim) for experiment in EXPERIMENTS for claim in experiment.claims]


def test_figures_have_the_agreed_names_in_the_order_of_the_report() -> None:
    assert [experiment.name for experiment in EXPERIMENTS] == FIGURES
    positions = [experiment.position for experiment in EXPERIMENTS]
    assert positions == sorted(set(positions)), "two figures at one place have no order"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_result_of_the_paper_has_a_claim(family: str) -> None:
    assert [claim.id for _, claim in CLAIMS if claim.id == family or claim.id.startswith(f"{family}-")]


def test_claim_ids_are_unique_in_the_paper() -> None:
    ids = [claim.id for _, claim in CLAIMS]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_figure_says_what_it_is_and_claims_something(experiment: Experiment) -> None:
    assert experiment.claims
    assert experiment.title
    assert "\n" not in experiment.title
    assert len(experiment.caption) > 40
    assert min(experiment.size) > 1


@pytest.mark.parametrize(("experiment", "claim"), CLAIMS, ids=[claim.id for _, claim in CLAIMS])
def test_every_claim_can_fail_and_says_why(experiment: Experiment, claim: Claim) -> None:
    low, high = claim.expected
    assert low <= high, "an empty region"
    assert math.isfinite(low) or math.isfinite(high), "a region without any end cannot be missed"
    for text in (claim.statement, claim.source, claim.quantity, claim.reason, claim.control.description):
        assert text.strip()
        assert "\n" not in text
    assert claim.source.startswith("Li et al. 2024, ")
    assert claim.control.arm != claim.arm


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_every_figure_trains_one_model_per_seed_and_setting(name: str) -> None:
    preset = Preset.named(name, seeds=2)
    for experiment in EXPERIMENTS:
        trials = experiment.trials(preset)
        assert {trial.seed for trial in trials} == {0, 1}
        per_seed = [len([trial for trial in trials if trial.seed == seed]) for seed in (0, 1)]
        assert per_seed[0] == per_seed[1] > 0
        larger = experiment.trials(Preset.named(name, seeds=3))
        assert {trial.hash for trial in trials} < {trial.hash for trial in larger}, "more seeds must only add trials"


def test_presets() -> None:
    quick, paper = Preset.named("quick"), Preset.named("paper")
    assert len(quick.seeds) >= 5
    assert len(paper.seeds) > len(quick.seeds)
    assert paper.prompts > quick.prompts
    assert Preset.named("quick", 3).seeds == (0, 1, 2)
    assert not quick.is_paper
    assert paper.is_paper


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("huge",), ("preset", "huge", "quick", "paper")),
        (("quick", 1), ("seeds", "1", "at least 2")),
        (("quick", 0), ("seeds", "0", "at least 2")),
        (("quick", -3), ("seeds", "-3", "at least 2")),
    ],
)
def test_presets_refuse(arguments: tuple[str, int], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        Preset.named(*arguments)
    assert all(word in str(refusal.value) for word in words)


def test_unknown_papers_and_figures_are_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match="li2024"):
        paper_named("li2025")
    with pytest.raises(BadRequest) as refusal:
        experiments_named("li2024", ["attention", "attentoin"])
    assert "attentoin" in str(refusal.value)
    assert all(name in str(refusal.value) for name in FIGURES)


def test_named_experiments_keep_the_order_of_the_report() -> None:
    chosen = experiments_named("li2024", ["attention", "iterations", "attention"])
    assert [experiment.name for experiment in chosen] == ["iterations", "attention"]
    assert [experiment.name for experiment in experiments_named("li2024")] == FIGURES


def test_papers_are_listed_under_their_own_names() -> None:
    assert all(name == paper.name for name, paper in PAPERS.items())
    assert "li2024" in PAPERS
