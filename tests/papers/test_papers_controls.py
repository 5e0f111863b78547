"""The paper's own settings, trained for real: whatever the verdicts, every control must fail."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest

from iclscope.claims.claim import JudgedClaim
from iclscope.claims.reference import FIRST_SEED
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.papers.li2024.settings import base_trials
from iclscope.study.experiment import Preset, experiments_named

PRESET = Preset("quick", seeds=(0, 1, 2, 3, 4), prompts=512)
FIGURES = (
    "attention",
    "qk-magnitude",
    "neuron-feature",
    "neuron-label",
    "pruning-methods",
    "pruning-linearity",
    "pruning-alpha",
    "ood-s1",
    "ood-alpha",
    "phase-alpha-length",
    "phase-s1-alpha",
)
EXPERIMENTS = experiments_named("li2024", FIGURES)
IDS = [claim.id for experiment in EXPERIMENTS for claim in experiment.claims]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, JudgedClaim]:
    """The default models at their full 400 steps, measured and judged once."""
    store = TrialStore(tmp_path_factory.mktemp("trained"))
    base = {trial.hash for trial in base_trials(PRESET)}
    found = {}
    for experiment in EXPERIMENTS:
        trials = list(experiment.trials(PRESET))
        assert base == {trial.hash for trial in trials if trial.seed < FIRST_SEED}
        run_trials(trials, store, workers=1)
        rows = experiment.rows(load_groups(trials, store), PRESET)
        assert rows.filter(pl.col("diverged_at").is_not_null()).is_empty()
        for claim in experiment.claims:
            found[claim.id] = claim.judged("li2024", experiment.name, rows)
    return found


@pytest.mark.parametrize("name", IDS)
def test_the_control_fails(judged: Mapping[str, JudgedClaim], name: str) -> None:
    assert judged[name].control_verdict == "fails", judged[name].control_estimate


@pytest.mark.parametrize("name", IDS)
def test_the_claim_rests_on_all_seeds(judged: Mapping[str, JudgedClaim], name: str) -> None:
    assert judged[name].estimate.seeds == judged[name].control_estimate.seeds == 5


@pytest.mark.parametrize(
    "name", ["thm3.4-ood", "prop4.1-concentration-in-domain", "prop4.2-label-plus", "prop4.2-label-minus"]
)
def test_what_an_independent_trial_saw_is_seen_here(judged: Mapping[str, JudgedClaim], name: str) -> None:
    """Not a claim's verdict but its direction: the trained models are far from their controls."""
    one = judged[name]
    assert one.estimate.high < one.control_estimate.low or one.control_estimate.high < one.estimate.low
