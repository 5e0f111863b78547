"""Every experiment from its trials to its sentence, with trainings of two or three steps."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from golden import check_golden
from matplotlib.figure import Figure
from polars.testing import assert_frame_equal

from iclscope.baselines import classifier_outputs
from iclscope.baselines.regression import REGRESSION_BASELINES, trees, two_layer_network
from iclscope.claims import bootstrap
from iclscope.claims.reference import FIRST_SEED, REFERENCE
from iclscope.execution import jobs
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.linear_attention import LinearAttention
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.papers.garg2022 import rows as garg2022_rows
from iclscope.papers.li2024.one_layer import baselines, prompt_length
from iclscope.papers.zhang2024 import gpt2_settings
from iclscope.plotting.style import new_figure
from iclscope.study.experiment import PAPERS, Experiment, Preset, experiments_of
from iclscope.training.trial import Trial

pytestmark = pytest.mark.thorough

GOLDEN = Path(__file__).with_name("golden_rows.json")

PRESET = Preset("quick", seeds=(0, 1), prompts=32)
TINY_STEPS, TINY_STEPS_OF_LENGTHS = 2, 3
EXPERIMENTS = {f"{paper}/{experiment.name}": experiment for paper in PAPERS for experiment in experiments_of(paper)}
NAMES = list(EXPERIMENTS)
# Claims of slopes, and of how fast a level is reached, need runs that get there, and nothing here is trained so long.
HUANG_LEVELS = (
    "huang2024/balanced",
    "huang2024/imbalanced",
    "huang2024/convergence-k",
    "huang2024/convergence-eta-epsilon",
)
NEED_A_LEVEL = {
    "li2024/growth-laws",
    "li2024/pruning-linearity",
    "li2024/iterations",
    "li2024/prompt-length",
    "li2024/phase-alpha-steps",
    "li2024/phase-alpha-length",
    "garg2022/curriculum",
    *HUANG_LEVELS,
}


def shrunk(trial: Trial) -> Trial:
    """The same trial with hardly any training; what is swept over stays as it is."""
    # prompt-length tells its two kinds of trials apart by their steps; its own number is set to 3 below.
    steps = TINY_STEPS_OF_LENGTHS if trial.training.steps == TINY_STEPS_OF_LENGTHS else TINY_STEPS
    training = {**trial.training.model_dump(), "steps": steps, "precision": "double"}
    evaluation = {**dict(trial.evaluation), "every": 1, "prompts": 16}
    return Trial(task=trial.task, model=trial.model, training=training, evaluation=evaluation, seed=trial.seed)


class Made:
    """What came of one experiment."""

    def __init__(self, experiment: Experiment, rows: pl.DataFrame) -> None:
        self.experiment = experiment
        self.rows = rows

    @cached_property
    def figure(self) -> Figure:
        """Drawn once, from rows as they are on disk: what Parquet does to types must not matter."""
        file = io.BytesIO()
        self.rows.write_parquet(file)
        return drawn(self.experiment, pl.read_parquet(file.getvalue()))


def drawn(experiment: Experiment, rows: pl.DataFrame) -> Figure:
    """The figure of an experiment."""
    figure = new_figure(*experiment.size)
    experiment.draw(figure, rows)
    return figure


class Makings:
    """All experiments, each trained and measured once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.store = TrialStore(folder)
        self._made: dict[str, Made] = {}

    def trials(self, name: str) -> list[Trial]:
        """An experiment's trials, trained."""
        trials = list({one.hash: one for one in map(shrunk, EXPERIMENTS[name].trials(PRESET))}.values())
        run_trials(trials, self.store, workers=1)
        return trials

    def __getitem__(self, name: str) -> Made:
        if name not in self._made:
            rows = EXPERIMENTS[name].rows(load_groups(self.trials(name), self.store), PRESET)
            self._made[name] = Made(EXPERIMENTS[name], rows)
        return self._made[name]


@pytest.fixture(scope="module")
def makings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Makings]:
    """The experiments, with few test prompts and with slow baselines cut short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompt_length, "STEPS", TINY_STEPS_OF_LENGTHS)
        # Starting processes takes longer than fitting these few prompts.
        patch.setattr(baselines, "classifier_outputs", partial(classifier_outputs, processes=1))
        patch.setattr(garg2022_rows, "PROMPTS", 16)
        patch.setattr(bootstrap, "RESAMPLES", 50)
        patch.setitem(gpt2_settings.SIZES, "quick", gpt2_settings.SIZES["quick"]._replace(together=4))
        patch.setattr(trees, "BOOSTING_ROUNDS", 2)
        patch.setitem(REGRESSION_BASELINES, "two-layer network", partial(two_layer_network, steps=2))
        yield Makings(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def made(makings: Makings, name: str) -> Made:
    """The experiment that a test is about."""
    return makings[name]


def forbidden(*_arguments: Any, **_settings: Any) -> None:
    raise AssertionError("a drawing, a claim or a sentence trains or loads a model, or fits a baseline")


@pytest.fixture
def without_models(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model can be made, trained or asked, once the experiment is."""
    for owner, attribute in (
        (jobs, "train_runs"),
        (jobs, "train_trials"),
        (SoftmaxReLUTransformer, "__init__"),
        (SoftmaxReLUTransformer, "predict"),
        (GPT2Transformer, "__init__"),
        (GPT2Transformer, "predict"),
        (LinearAttention, "__init__"),
        (LinearAttention, "predict"),
        (garg2022_rows, "baseline_errors_by_length"),
        (garg2022_rows, "bootstrap_means"),
        (TrialStore, "load"),
    ):
        monkeypatch.setattr(owner, attribute, forbidden)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_one_tidy_table(made: Made) -> None:
    rows = made.rows
    assert {"arm", "seed", "diverged_at"} <= set(rows.columns)
    assert set(rows.filter(pl.col("arm") != REFERENCE)["seed"].unique()) == {0, 1}
    assert set(rows.filter(pl.col("arm") == REFERENCE)["seed"].unique()) <= {FIRST_SEED, FIRST_SEED + 1}
    assert rows["arm"].null_count() == 0
    assert not [column for column, kind in rows.schema.items() if isinstance(kind, pl.List | pl.Struct | pl.Object)]
    assert rows.is_duplicated().sum() == 0, "a row that is there twice counts twice"


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_those_that_were_kept(made: Made, name: str) -> None:
    check_golden(made.rows, GOLDEN, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_every_claim_is_judged_with_its_control(made: Made, name: str) -> None:
    paper, figure = name.split("/")
    for claim in made.experiment.claims:
        assert claim.arm in made.rows["arm"]
        assert claim.control.arm in made.rows["arm"]
        judged = claim.judged(paper, figure, made.rows)
        assert judged.verdict in ("holds", "fails", "inconclusive")
        assert (judged.to_json()["paper"], judged.to_json()["figure"]) == (paper, figure)
        if name not in NEED_A_LEVEL:
            assert judged.estimate.seeds + judged.control_estimate.seeds > 0, claim.id


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_the_figure_is_drawn_from_rows_alone(made: Made) -> None:
    assert made.figure.axes
    assert all(axes.has_data() for axes in made.figure.axes)
    picture = io.BytesIO()
    made.figure.savefig(picture)
    assert len(picture.getvalue()) > 5000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_the_finding_is_a_sentence(made: Made) -> None:
    sentence = made.experiment.finding(made.rows)
    assert len(sentence) > 40
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert any(letter.isdigit() for letter in sentence), "no number in it"


MEASURES = {
    "hinge_risk",
    "relative_risk",
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
    "same_pattern",
    "best_head",
    "angle_plus",
    "angle_minus",
    "label_norm",
    "separation",
    "straight",
    "of_offset",
    "pattern_cosine",
    "irrelevant_norm",
    "label",
    "change",
    "plus",
    "minus",
    "small",
    "other",
    "by_sign",
    "three",
    "lucky_share",
    "large_if_lucky",
    "large_if_not",
    "gain",
    "output",
    "votes_for",
    "votes_against",
    "error",
    "low",
    "high",
    # Zhang 2024
    "distance",
    "u",
    "excess",
    "gap",
    "entry",
    "deviation",
    "risk",
    "deviations",
    "beside_limit",
    "over_bound",
    "slope",
    "relative",
    "own_score",
    "dominant_score",
    "cross_score",
    "largest_cross",
    "attention",
    "dominant_attention",
    "loss",
    "growth",
    "difference",
    # von Oswald 2023
    "cosine",
    "sensitivity_distance",
    "interpolated",
    "gamma",
    "y_on_x",
    "x_on_y",
    "neighbour",
}


def lost(rows: pl.DataFrame, *seeds: int, baselines_too: bool = True) -> pl.DataFrame:
    """The rows, had the runs of these seeds diverged."""
    measures = [column for column, kind in rows.schema.items() if kind == pl.Float64 and column in MEASURES]
    assert measures
    of_them = pl.col("seed").is_in(seeds)
    if not baselines_too and "method" in rows.columns:
        of_them &= pl.col("method") == garg2022_rows.GPT2
    return rows.with_columns(pl.when(of_them).then(math.nan).otherwise(pl.col(name)).alias(name) for name in measures)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_rows_of_runs_that_all_diverged_are_still_judged(made: Made, name: str) -> None:
    experiment, paper = made.experiment, name.split("/")[0]
    # The baselines of Garg 2022 answer whatever becomes of the models.
    rows = lost(made.rows, 0, 1, baselines_too=paper != "garg2022")
    for table in (rows, lost(made.rows, 0, 1)):
        for claim in experiment.claims:
            assert claim.judged(*name.split("/"), table).verdict == "inconclusive"
        assert experiment.finding(table)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_rows_of_runs_that_all_diverged_are_still_drawn(made: Made, name: str) -> None:
    rows = lost(made.rows, 0, 1, baselines_too=not name.startswith("garg2022/"))
    drawn(made.experiment, rows).draw_without_rendering()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_a_run_that_diverged_is_left_out_of_curves(made: Made) -> None:
    assert curves_with_points(drawn(made.experiment, lost(made.rows, 0))) == curves_with_points(made.figure)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("without_models")
def test_a_run_that_diverged_counts_in_claims(made: Made, name: str) -> None:
    rows = lost(made.rows, 0)
    for claim in made.experiment.claims:
        all_seeds, one_left = (claim.judged(*name.split("/"), table).estimate for table in (made.rows, rows))
        assert one_left.seeds == all_seeds.seeds, claim.id
        # Of what nothing is known to begin with, no more can be lost.
        assert all_seeds.missing < one_left.missing or all_seeds.missing == all_seeds.seeds, claim.id


def curves_with_points(figure: Figure) -> list[int]:
    """How many lines of each pair of axes show something."""
    return [
        sum(bool(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any()) for line in axes.lines)
        for axes in figure.axes
    ]


@pytest.mark.parametrize("name", ["li2024/ood-span", "garg2022/linear", "garg2022/sparse-linear"])
def test_measuring_keeps_runs_apart(makings: Makings, made: Made, name: str) -> None:
    """A seed's rows are the same, whichever other seeds were measured with it, before it or beside it."""
    trials = [trial for trial in makings.trials(name) if trial.seed == 1]
    alone = made.experiment.rows(load_groups(trials, makings.store), PRESET)
    assert_close(alone, made.rows.filter(pl.col("seed") == 1))
    beside = made.experiment.rows(load_groups(makings.trials(name), makings.store), PRESET, workers=2)
    assert_close(beside, made.rows)
    (together,) = [makings.store.load(makings.trials(name))]
    assert_close(made.experiment.rows([together], PRESET), made.rows)


def assert_close(one: pl.DataFrame, other: pl.DataFrame) -> None:
    """The same rows, in any order, up to how sums are rounded."""
    keys = [name for name, kind in one.schema.items() if kind != pl.Float64 or name not in MEASURES]
    keys = [name for name in keys if name != "standard_error"]
    assert_frame_equal(one.sort(keys), other.select(one.columns).sort(keys), rel_tol=1e-4, abs_tol=1e-6)


def test_controls_are_made_from_all_measured_rows(makings: Makings) -> None:
    trials = makings.trials("li2024/attention")
    groups = [*load_groups(trials, makings.store), *load_groups(trials[:1], makings.store)]
    plain = EXPERIMENTS["li2024/attention"]
    plain = replace(plain, measure=lambda group, _preset: group.rows(arm="trained"), controls=None, claims=())
    assert plain.rows(groups, PRESET)["seed"].to_list() == [0, 1, 0]
    both = replace(plain, controls=lambda rows: pl.DataFrame({"arm": ["control"], "count": [len(rows)]}))
    assert both.rows(groups, PRESET)["arm"].to_list() == ["trained"] * 3 + ["control"]
    assert both.rows(groups, PRESET)["count"].to_list() == [None, None, None, 3]
