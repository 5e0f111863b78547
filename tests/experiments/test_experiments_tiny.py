"""Every experiment from its trials to its sentence, with trainings of two or three steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
import pytest

from iclscope.baselines import baseline_outputs
from iclscope.experiments.experiment import Experiment, Preset, experiments_of
from iclscope.experiments.li2024 import baselines, prompt_length
from iclscope.experiments.trial import Trial
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.report.style import new_figure
from iclscope.sweeps import local
from iclscope.sweeps.local import load_groups, run_trials
from iclscope.sweeps.store import TrialStore

PRESET = Preset("quick", seeds=(0, 1), prompts=64)
TINY_STEPS, TINY_STEPS_OF_LENGTHS = 2, 3
EXPERIMENTS = experiments_of("li2024")
NAMES = [experiment.name for experiment in EXPERIMENTS]


def shrunk(trial: Trial) -> Trial:
    """The same trial with hardly any training; what is swept over stays as it is."""
    # prompt-length tells its two kinds of trials apart by their steps; its own number is set to 3 below.
    steps = TINY_STEPS_OF_LENGTHS if trial.training.steps == TINY_STEPS_OF_LENGTHS else TINY_STEPS
    training = {**trial.training.model_dump(), "steps": steps}
    evaluation = {**dict(trial.evaluation), "every": 1, "prompts": 16}
    return Trial(task=trial.task, model=trial.model, training=training, evaluation=evaluation, seed=trial.seed)


class Made:
    """What came of one experiment."""

    def __init__(self, experiment: Experiment, rows: pl.DataFrame) -> None:
        self.experiment = experiment
        self.rows = rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Made]:
    """All experiments, trained and measured once."""
    store = TrialStore(tmp_path_factory.mktemp("trained"))
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_length, "STEPS", TINY_STEPS_OF_LENGTHS)
        # Starting processes takes longer than fitting these few prompts.
        patch.setattr(baselines, "baseline_outputs", partial(baseline_outputs, processes=1))
        for experiment in EXPERIMENTS:
            trials = list({one.hash: one for one in map(shrunk, experiment.trials(PRESET))}.values())
            run_trials(trials, store, workers=1)
            found[experiment.name] = Made(experiment, experiment.rows(load_groups(trials, store), PRESET))
    return found


def forbidden(*_arguments: Any, **_settings: Any) -> None:
    raise AssertionError("a drawing, a claim or a sentence trains or loads a model")


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model can be made, trained or asked."""
    for owner, name in (
        (local, "train_runs"),
        (local, "train_trials"),
        (SoftmaxReLUTransformer, "__init__"),
        (SoftmaxReLUTransformer, "predict"),
        (TrialStore, "load"),
    ):
        monkeypatch.setattr(owner, name, forbidden)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_one_tidy_table(made: Mapping[str, Made], name: str) -> None:
    rows = made[name].rows
    assert {"arm", "seed", "diverged_at"} <= set(rows.columns)
    assert set(rows["seed"].unique()) == {0, 1}
    assert rows["arm"].null_count() == 0
    assert not [column for column, kind in rows.schema.items() if isinstance(kind, pl.List | pl.Struct | pl.Object)]
    assert rows.is_duplicated().sum() == 0, "a row that is there twice counts twice"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_every_claim_is_judged_with_its_control(made: Mapping[str, Made], name: str) -> None:
    experiment, rows = made[name].experiment, made[name].rows
    for claim in experiment.claims:
        assert claim.arm in rows["arm"]
        assert claim.control.arm in rows["arm"]
        judged = claim.judged("li2024", name, rows)
        assert judged.verdict in ("holds", "fails", "inconclusive")
        assert judged.to_json()["figure"] == name
        # Slopes of steps and lengths need runs that reach a target, and nothing here is trained for long enough.
        if name not in ("iterations", "prompt-length"):
            assert judged.estimate.seeds + judged.control_estimate.seeds > 0, claim.id


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_the_figure_is_drawn_from_rows_alone(made: Mapping[str, Made], name: str, tmp_path: Any) -> None:
    experiment, rows = made[name].experiment, made[name].rows
    # As it is on disk: what Parquet does to types must not matter.
    rows.write_parquet(tmp_path / "rows.parquet")
    figure = new_figure(*experiment.size)
    experiment.draw(figure, pl.read_parquet(tmp_path / "rows.parquet"))
    assert figure.axes
    assert all(axes.has_data() for axes in figure.axes)
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_the_finding_is_a_sentence(made: Mapping[str, Made], name: str) -> None:
    sentence = made[name].experiment.finding(made[name].rows)
    assert len(sentence) > 40
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert any(letter.isdigit() for letter in sentence), "no number in it"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_rows_of_runs_that_all_diverged_are_still_drawn_and_judged(
    made: Mapping[str, Made], name: str, tmp_path: Any
) -> None:
    experiment, rows = made[name].experiment, made[name].rows
    measures = [column for column, kind in rows.schema.items() if kind == pl.Float64 and column in MEASURES]
    assert measures
    lost = rows.with_columns(pl.lit(float("nan")).alias(column) for column in measures)
    for claim in experiment.claims:
        assert claim.judged("li2024", name, lost).verdict == "inconclusive"
    assert experiment.finding(lost)
    figure = new_figure(*experiment.size)
    experiment.draw(figure, lost)
    figure.savefig(tmp_path / "figure.png")


MEASURES = {
    "hinge_risk",
    "classification_error",
    "steps",
    "query",
    "query_relevant",
    "key",
    "key_relevant",
    "attention_concentration",
    "angle",
    "norm",
    "small_share",
    "small_norm",
    "large_norm",
    "ratio",
    "hinge_rise",
}


def test_measuring_keeps_runs_apart(made: Mapping[str, Made], tmp_path: Any) -> None:
    """A seed's rows are the same, whichever other seeds were measured with it."""
    experiment = made["ood-span"].experiment
    trials = [shrunk(trial) for trial in experiment.trials(PRESET)]
    store = TrialStore(tmp_path)
    run_trials(trials, store, workers=1)
    alone = experiment.rows(load_groups(trials[1:], store), PRESET)
    together = made["ood-span"].rows.filter(pl.col("seed") == 1)
    keys = ["arm", "S1", "place", "K"]
    assert alone.sort(keys).drop("hinge_risk").equals(together.sort(keys).drop("hinge_risk"))
    assert alone.sort(keys)["hinge_risk"].to_list() == pytest.approx(together.sort(keys)["hinge_risk"].to_list())


def test_controls_are_made_from_all_measured_rows(tmp_path: Any) -> None:
    trials = [shrunk(trial) for trial in EXPERIMENTS[NAMES.index("attention")].trials(PRESET)]
    store = TrialStore(tmp_path)
    run_trials(trials, store, workers=1)
    groups = [*load_groups(trials, store), *load_groups(trials[:1], store)]
    plain = replace(EXPERIMENTS[0], measure=lambda group, _preset: group.rows(arm="trained"), controls=None)
    assert plain.rows(groups, PRESET)["seed"].to_list() == [0, 1, 0]
    both = replace(plain, controls=lambda rows: pl.DataFrame({"arm": ["control"], "count": [len(rows)]}))
    assert both.rows(groups, PRESET)["arm"].to_list() == ["trained"] * 3 + ["control"]
    assert both.rows(groups, PRESET)["count"].to_list() == [None, None, None, 3]
