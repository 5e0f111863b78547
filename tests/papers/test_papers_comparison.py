"""The models of all papers on one task: equal budgets, and claims that follow made-up rows."""

from __future__ import annotations

import polars as pl
import pytest

from iclscope.claims.claim import JudgedClaim
from iclscope.models import LinearAttentionConfig
from iclscope.papers.comparison import common_task
from iclscope.study.experiment import PRESETS, Preset

SEEDS = range(3)


@pytest.mark.parametrize("name", PRESETS)
def test_every_model_gets_as_many_prompts(name: str) -> None:
    preset = Preset.named(name, paper="comparison")
    trials = common_task.EXPERIMENT.trials(preset)
    assert len(trials) == len(common_task.CONTENDERS) * len(preset.seeds)
    assert len({trial.training.steps * trial.training.batch_size for trial in trials}) == 1
    assert {trial.model.kind for trial in trials} == {"softmax_relu", "gpt2", "linear_attention", "softmax_attention"}
    assert {trial.functions.replace(predictions="query") for trial in trials} == {common_task.AT_QUERY}


def test_a_model_that_is_none_of_them_has_no_name() -> None:
    assert common_task._name_of(common_task.CONTENDERS[common_task.ZHANG].model) == common_task.ZHANG
    with pytest.raises(ValueError, match="unpack"):
        common_task._name_of(LinearAttentionConfig(d_X=7))


def made_up(vonoswald: float, zhang: float, untrained: float = 1.0) -> pl.DataFrame:
    """Rows at k = 2d of the two linear models, trained and not."""
    errors = {
        ("trained", common_task.VONOSWALD): vonoswald,
        ("trained", common_task.ZHANG): zhang,
        (common_task.UNTRAINED, common_task.VONOSWALD): untrained,
        (common_task.UNTRAINED, common_task.ZHANG): untrained,
    }
    rows = pl.DataFrame(
        [
            {"arm": arm, "method": method, "seed": seed, "length": common_task.LONGEST, "error": error + 1e-4 * seed}
            for (arm, method), error in errors.items()
            for seed in SEEDS
        ]
    )
    assert common_task.EXPERIMENT.controls is not None
    return pl.concat([rows, common_task.EXPERIMENT.controls(rows)])


def judged(rows: pl.DataFrame) -> dict[str, JudgedClaim]:
    experiment = common_task.EXPERIMENT
    return {claim.id: claim.judged("comparison", experiment.name, rows) for claim in experiment.claims}


def test_verdicts_follow_the_rows() -> None:
    # One step at its best: with S the mean of x xᵀ, E S² = (N + d + 1)/N I, so the error is 1 − N/(N + d + 1).
    best = 1 - 10 / 16
    assert common_task._best_step(10) == pytest.approx(best)
    assert common_task._best_step(0) == 1
    found = judged(made_up(1.01 * best, 1.0 * best))
    assert {one.verdict for one in found.values()} == {"holds"}
    assert {one.control_verdict for one in found.values()} == {"fails"}
    found = judged(made_up(1.2 * best, 1.2 * best))
    assert (found["common-one-step"].verdict, found["common-linear-models"].verdict) == ("fails", "holds")
    found = judged(made_up(best, 1.2 * best))
    assert (found["common-one-step"].verdict, found["common-linear-models"].verdict) == ("holds", "fails")
