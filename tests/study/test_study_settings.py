"""The table of settings under each figure: every kind of task, model and schedule, in the papers' symbols."""

from __future__ import annotations

import polars as pl
import pytest

from iclscope.models import GPT2TransformerConfig, SoftmaxReLUConfig
from iclscope.study.experiment import PAPERS, PRESETS, Preset, experiments_named, experiments_of
from iclscope.study.settings_table import settings_of
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.training.schedules import Curriculum, LengthPerStep
from iclscope.training.trial import Evaluation, Training, Trial

NO_ROWS = pl.DataFrame()
TWO = Preset("quick", (0, 1), 64)


def table(paper: str, figure: str, preset: str) -> dict[str, str]:
    (experiment,) = experiments_named(paper, [figure])
    settings = Preset.named(preset, paper=paper)
    return settings_of(experiment.trials(settings), settings, pl.DataFrame({"prompts": [1280, 200, None]}))


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("linear", {"functions": "linear", "d": "20", "l": "40"}),
        ("sparse-linear", {"functions": "sparse linear", "d": "20", "l": "40", "s": "3"}),
        ("decision-tree", {"functions": "decision tree", "d": "20", "l": "100", "depth": "4"}),
        ("relu-network", {"functions": "relu network", "d": "20", "l": "100", "h": "100"}),
    ],
)
def test_the_published_runs(figure: str, expected: dict[str, str]) -> None:
    found = table("garg2022", figure, "paper")
    short = figure in ("linear", "sparse-linear")
    curriculum = ("10", "2") if short else ("25", "5")
    assert found == {
        **expected,
        "model": "GPT-2",
        "layers": "12",
        "heads": "8",
        "embedding": "256",
        "optimizer": "Adam",
        "η": "0.0001",
        "B": "64",
        "steps": "500000",
        "curriculum": f"from 5 dimensions and {curriculum[0]} examples, 1 and {curriculum[1]} more every 2000 steps",
        "seeds": "1",
        "test prompts per seed and point": "200, 1280",
        "trainings": "1",
    }


def test_what_differs_from_the_published_run_is_there_to_be_read() -> None:
    found = table("garg2022", "sparse-linear", "quick")
    assert found["η over steps"] == "(1 − t/T)^2"
    assert (found["optimizer"], found["layer norm before the read-out"]) == ("Muon", "none")
    assert "curriculum" not in found
    assert found["answers times"].startswith("2.236")
    assert (found["seeds"], found["trainings"]) == ("5", "5")


def test_several_models_tasks_and_values_stand_side_by_side() -> None:
    found = table("li2024", "gpt2-task-share", "quick")
    assert found["model"] == "GPT-2, one layer"
    assert (found["layers"], found["heads"], found["m"]) == ("3", "2", "40")
    assert (found["optimizer"], found["‖q‖"]) == ("Muon, SGD", "0.5, 3")
    assert found["initial matrices"] == "N(0, 1/inputs)"
    assert found["training lengths"] == "drawn per step from 2 up"
    assert found["training tasks"] == "2 chosen, 3 chosen, cycle, share 0.60"
    assert found["trainings"] == str(4 * (20 + 20))


def test_a_setting_of_every_kind() -> None:
    patterns = Trial(
        task=PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=(2, 5)),
        model=SoftmaxReLUConfig(d_X=8, d_Y=3, width=6),
        training=Training(learning_rate=0.5, steps=10),
        evaluation=Evaluation(on={}, prompts=77),
    )
    found = settings_of([patterns], TWO, NO_ROWS)
    assert (found["l"], found["M1"], found["m"], found["model"]) == ("2 to 5", "4", "6", "one layer")
    assert (found["optimizer"], found["η"], found["training tasks"]) == ("SGD", "0.5", "cycle")
    assert found["test prompts per seed and point"] == "77"
    assert "η over steps" not in found
    assert "curriculum" not in found
    columns = Trial(
        task=PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=5),
        model=GPT2TransformerConfig(d_X=8, d_Y=3, tokens="columns", layers=1, heads=1, embedding=4, positions=6),
        training=Training(optimizer="adam", steps=10, schedule=LengthPerStep(shortest=1)),
    )
    functions = Trial(
        task=FunctionClass(function="decision_tree", d_X=8, length=5, depth=3),
        model=GPT2TransformerConfig(d_X=8, layers=1, heads=1, embedding=4, positions=12),
        training=Training(optimizer="adam", loss="squared", steps=10, schedule=Curriculum(dimensions=8, length=2)),
    )
    found = settings_of([patterns, columns, functions], TWO, NO_ROWS)
    assert found["model"] == "GPT-2, one layer"
    assert (found["functions"], found["depth"], found["d"]) == ("decision tree", "3", "8")
    assert found["training lengths"] == "drawn per step from 1 up"
    assert found["curriculum"].startswith("from 8 dimensions and 2 examples")
    assert (found["seeds"], found["trainings"]) == ("1", "3")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("paper", list(PAPERS))
def test_every_figure_has_a_table_of_short_texts(paper: str, preset: str) -> None:
    settings = Preset.named(preset, seeds=2, paper=paper)
    for experiment in experiments_of(paper):
        found = settings_of(experiment.trials(settings), settings, NO_ROWS)
        assert {"model", "optimizer", "η", "B", "steps", "seeds", "trainings"} <= set(found)
        assert all(name and text and "\n" not in text for name, text in found.items())
        assert not [text for text in found.values() if "Field" in text or "None" in text or "_" in text]


@pytest.mark.parametrize(
    ("figure", "seeds"),
    [("gpt2-ood-s1", "20"), ("ood-s1", "20"), ("gpt2-task-share", "20")],
)
def test_fewer_seeds_of_gpt2_are_said(figure: str, seeds: str) -> None:
    assert table("li2024", figure, "quick")["seeds"] == seeds
