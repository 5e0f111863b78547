"""Sweep files that are allowed: what they start from, how they are merged, and which trials come of them."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import says

from iclscope.core.yaml_text import mapping_from_yaml
from iclscope.execution.units import PlannedTest, PlannedTrial
from iclscope.models import LinearAttentionConfig
from iclscope.papers.garg2022.settings import function_trial
from iclscope.papers.li2024.gpt2.gpt2_settings import gpt2_trial
from iclscope.papers.li2024.settings import trial as pattern_trial
from iclscope.study.experiment import Preset, experiments_named
from iclscope.sweeps.file.inheritance import overlay
from iclscope.sweeps.file.known_settings import config_from
from iclscope.sweeps.file.paper_settings import paper_names, paper_settings, paper_trial
from iclscope.sweeps.file.settings_tree import merged, with_setting
from iclscope.sweeps.file.sweep_file import OWN_TASK, Sweep, load_sweep
from iclscope.tasks import FunctionClass, OrthonormalFeatures, PatternClassification
from iclscope.training.trial import Evaluation, Trial


def written(folder: Path, text: str, name: str = "sweep.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def trials(path: Path) -> list[PlannedTrial]:
    return list(load_sweep(path).trials())


def hashes(path: Path) -> list[str]:
    return [planned.trial.hash for planned in trials(path)]


# --- what YAML says


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E3", 1000.0), (".5", 0.5), ("-.5", -0.5), ("2.", 2.0), ("+1.5", 1.5), ("7", 7), ("-7", -7),
        ("010", 10), ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("yes", "yes"),
        ("on", "on"), ("No", "No"), ("1:30", "1:30"), ("1_000", "1_000"), ("0x1F", "0x1F"),
        ("'0.8'", "0.8"), ('"1e-3"', "1e-3"), ("''", ""), ("infinity", "infinity"), ("e5", "e5"), (".", "."),
        ("2024-01-01", "2024-01-01"),
        ("[1, a, null]", [1, "a", None]), ("{a: {b: 1}}", {"a": {"b": 1}}), ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)  # fmt: skip
def test_words_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = mapping_from_yaml(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_texts() -> None:
    """YAML 1.1 reads the key ``on`` of an evaluation as true."""
    assert mapping_from_yaml("{on: 1, 2: x, null: y, 'q': z}") == {"on": 1, "2": "x", "null": "y", "q": "z"}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(b"\xef\xbb\xbfpaper: li2024\n")
    assert load_sweep(path).paper == "li2024"


# --- what a sweep starts from


@pytest.mark.parametrize("paper", paper_names())
@pytest.mark.parametrize("preset", ["quick", "lab", "paper"])
def test_a_paper_alone_is_its_own_training(paper: str, preset: str) -> None:
    (planned,) = Sweep(paper=paper, preset=preset, seeds=1).trials()
    own = paper_trial(paper, preset=preset)
    assert planned.trial == Trial(task=own.task, model=own.model, training=own.training)
    assert planned.varied == {}


def test_the_trainings_are_those_of_the_figures() -> None:
    def first(**settings: Any) -> Trial:
        return next(iter(Sweep(seeds=1, **settings).trials())).trial

    assert first(paper="li2024").hash == pattern_trial(0).hash
    assert first(paper="li2024", figure="gpt2-ood-s1").hash == gpt2_trial(0).hash
    garg = function_trial("linear", Preset.named("quick", paper="garg2022"), 0)
    assert first(paper="garg2022").training == garg.training
    for paper, figure in (("vonoswald2023", "loss"), ("huang2024", "balanced")):
        shown = experiments_named(paper, [figure])[0].trials(Preset.named("quick", paper=paper))
        assert (first(paper=paper).task, first(paper=paper).model) in [(trial.task, trial.model) for trial in shown]
    shifts = experiments_named("zhang2024", ["shifts"])[0].trials(Preset.named("quick", paper="zhang2024"))[0]
    assert first(paper="zhang2024", base={"task": {"length": 20}}).hash == shifts.hash


def test_what_a_figure_records_is_left_out() -> None:
    own = paper_trial("huang2024", "convergence-k")
    assert own.training.target_risk is not None
    (planned,) = Sweep(paper="huang2024", figure="convergence-k", seeds=1).trials()
    assert planned.trial.training.target_risk is None
    assert planned.trial.evaluation == Evaluation()


def test_without_a_paper_a_sweep_says_its_kinds() -> None:
    base = {"task": {"kind": "patterns", "alpha": 0.5}, "model": {"kind": "softmax_relu"}}
    (planned,) = Sweep(base=base, seeds=1).trials()
    assert planned.trial == Trial(task=PatternClassification(alpha=0.5))


def test_another_kind_starts_anew() -> None:
    base = {"model": {"kind": "linear_attention", "d_X": 20}, "task": {"kind": "functions", "predictions": "query"}}
    training = {"loss": "squared"}
    (planned,) = Sweep(paper="li2024", base={**base, "training": training}, seeds=1).trials()
    assert planned.trial.task == FunctionClass(predictions="query")
    assert planned.trial.model == LinearAttentionConfig(d_X=20)


def test_whole_models_may_be_varied() -> None:
    base = {"training": {"optimizer": "adam", "learning_rate": 1e-3}}
    models = [{"kind": "linear_attention", "d_X": 10}, {"kind": "interleaved_attention", "d_X": 10}]
    sweep = Sweep(paper="vonoswald2023", base=base, vary={"model": models}, seeds=1)
    assert [planned.trial.model.kind for planned in sweep.trials()] == ["linear_attention", "interleaved_attention"]


# --- inheritance

leaves = st.dictionaries(st.sampled_from("ab"), st.integers() | st.text(max_size=2) | st.none(), max_size=2)
trees = st.recursive(
    leaves,
    lambda below: st.builds(lambda own, under: {**own, **under}, leaves, st.dictionaries(st.sampled_from("mn"), below)),
    max_leaves=6,
)


@given(trees, trees, trees)
def test_merging_does_not_depend_on_the_order_of_merging(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    assert merged(a, merged(b, c)) == merged(merged(a, b), c)
    assert merged(a, a) == merged({}, a) == merged(a, {}) == a


@given(trees, trees)
def test_what_is_laid_over_wins_and_what_is_under_stays(a: dict[str, Any], b: dict[str, Any]) -> None:
    before = repr((a, b))
    result = merged(a, b)
    assert repr((a, b)) == before, "neither may change"
    for name, value in b.items():
        assert result[name] == (merged(a.get(name, {}), value) if isinstance(value, dict) else value)
    for name in a.keys() - b.keys():
        assert result[name] == a[name]


@given(trees, trees)
def test_a_file_that_extends_another_is_their_merge(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert overlay({"base": a}, {"base": b, "extends": "x"}) == {"base": merged(a, b)}


def test_a_dotted_setting_copies_only_its_way() -> None:
    tree = {"task": {"shift": {"S1": 1.0, "M1": 3}}, "model": {"width": 4}}
    changed = with_setting(tree, "task.shift.S1", 1.3)
    assert changed == {"task": {"shift": {"S1": 1.3, "M1": 3}}, "model": {"width": 4}}
    assert tree["task"]["shift"]["S1"] == 1.0
    assert changed["model"] is tree["model"]


PARENT = """
name: parent
question: Why?
paper: li2024
base: {task: {alpha: 0.5, length: 10}, training: {steps: 30}}
vary: {task.beta: {from: 1, to: 2}, model.width: [10, 20, 30]}
design: {kind: random, samples: 9}
seeds: 4
tests: {unseen: {task: {tasks: unseen}}, own: {}}
"""


def test_a_child_says_only_what_differs(tmp_path: Path) -> None:
    written(tmp_path, PARENT, "common/parent.yaml")
    child = written(
        tmp_path,
        """
extends: common/parent.yaml
base: {task: {length: 20}, training: {batch_size: 8}}
vary: {task.beta: null, model.width: [5, 6], task.K: [0.1]}
design: grid
tests: {own: null, far: {task: {alpha: 0.1}, prompts: 7}}
""",
        "child.yaml",
    )
    sweep = load_sweep(child)
    assert (sweep.name, sweep.question) == ("child", ""), "these are a file's own"
    assert sweep.base == {"task": {"alpha": 0.5, "length": 20}, "training": {"steps": 30, "batch_size": 8}}
    assert sweep.vary == {"model.width": [5, 6], "task.K": [0.1]}
    assert sweep.count == 2 * 4
    assert list(sweep.tests) == ["unseen", "far"]
    alone = written(
        tmp_path,
        """
paper: li2024
base: {task: {alpha: 0.5, length: 20}, training: {steps: 30, batch_size: 8}}
vary: {model.width: [5, 6], task.K: [0.1]}
seeds: 4
tests: {unseen: {task: {tasks: unseen}}, far: {task: {alpha: 0.1}, prompts: 7}}
""",
        "alone.yaml",
    )
    assert trials(child) == trials(alone)


def test_three_generations(tmp_path: Path) -> None:
    written(tmp_path, "paper: li2024\nseeds: 2\nbase: {task: {alpha: 0.1, K: 0.2}}\n", "a.yaml")
    written(tmp_path, "extends: a.yaml\nbase: {task: {alpha: 0.3}}\nseeds: [7]\n", "b.yaml")
    path = written(tmp_path, "extends: ../b.yaml\nbase: {task: {length: 4}}\n", "below/c.yaml")
    (planned,) = trials(path)
    assert planned.trial.task == PatternClassification(alpha=0.3, K=0.2, length=4)
    assert planned.trial.seed == 7


def test_the_same_file_twice_is_no_ring(tmp_path: Path) -> None:
    """A file may stand under two names; only one that extends itself is refused."""
    written(tmp_path, "paper: li2024\nseeds: 1\n", "a.yaml")
    path = written(tmp_path, "extends: ./below/../a.yaml\n", "b.yaml")
    (tmp_path / "below").mkdir()
    assert len(trials(path)) == 1


# --- the trials


def test_equal_files_have_equal_hashes_wherever_they_lie(tmp_path: Path) -> None:
    text = "paper: li2024\nvary: {task.alpha: [0.2, 0.4], model.width: [8, 16]}\nseeds: 2\n"
    other = "seeds: [0, 1]\nvary:\n  task.alpha: {from: 0.2, to: 0.4, count: 2}\n  model.width: [8, 16]\npaper: li2024"
    found = hashes(written(tmp_path, text, "one/a.yaml"))
    assert found == hashes(written(tmp_path, text, "two/b.yaml")) == hashes(written(tmp_path, other, "c.yaml"))
    assert len(set(found)) == 8


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.4, 0.8]), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 30), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
)
def test_trials_are_what_their_settings_say(alphas: list[float], widths: list[int], seeds: list[int]) -> None:
    sweep = Sweep(paper="li2024", vary={"task.alpha": alphas, "model.width": widths}, seeds=seeds)
    planned = list(sweep.trials())
    assert len(planned) == sweep.count == len(alphas) * len(widths) * len(seeds)
    expected = [
        pattern_trial(seed, task={"alpha": alpha}, model={"width": width})
        for alpha, width, seed in itertools.product(alphas, widths, seeds)
    ]
    assert [one.trial for one in planned] == expected
    assert [one.trial.hash for one in planned] == [trial.hash for trial in expected]
    assert [(one.varied["task.alpha"], one.varied["model.width"]) for one in planned] == [
        (alpha, width) for alpha, width, _ in itertools.product(alphas, widths, seeds)
    ]


def test_trials_are_made_when_they_are_asked_for() -> None:
    vary = {
        "task.alpha": {"from": 0.1, "to": 0.9, "count": 1000},
        "task.beta": {"from": 1, "to": 2, "count": 1000},
    }
    started = time.perf_counter()
    sweep = Sweep(paper="li2024", vary=vary, seeds=1)
    first = list(itertools.islice(sweep.trials(), 3))
    assert time.perf_counter() - started < 0.5
    assert sweep.count == 1_000_000
    assert [one.varied["task.beta"] for one in first] == pytest.approx([1, 1.001001, 1.002002], abs=1e-6)


def test_a_late_point_is_refused_when_it_is_met(tmp_path: Path) -> None:
    path = written(tmp_path, "paper: zhang2024\nvary: {task.d_X: [3, 4], model.d_X: [3, 4]}\n")
    with pytest.raises(ValueError, match=r"\(d_X, d_Y\)") as refused:
        load_sweep(path)
    assert says(str(refused.value), "(at task.d_X = 4, model.d_X = 3)")
    drawn = "design: {kind: random, samples: 50}\nvary: {task.alpha: {from: 0.2, to: 1.1}}\npaper: li2024\n"
    sweep = load_sweep(written(tmp_path, drawn, "drawn.yaml"))
    with pytest.raises(ValueError, match=r"task\.alpha: expected .*, got 1") as refused:
        list(sweep.trials())
    assert str(refused.value).startswith(
        f"{tmp_path / 'drawn.yaml'}: vary.task.alpha: expected a number less than or equal to 1, got 1."
    )


def test_equal_settings_are_one_object() -> None:
    planned = list(Sweep(paper="li2024", vary={"model.width": [8, 16]}, seeds=3).trials())
    assert len({id(one.trial.task) for one in planned}) == 1
    assert len({id(one.trial.model) for one in planned}) == 2
    assert config_from({"steps": 3}, "training") is config_from({"steps": 3}, "training")


# --- evaluation and tests


def test_what_is_recorded_is_the_trials_own_task_with_changes() -> None:
    base = {"evaluation": {"on": {"unseen": {"tasks": "unseen"}, "own": {}}, "every": 5}}
    sweep = Sweep(paper="li2024", base=base, vary={"task.alpha": [0.3, 0.6]}, seeds=1)
    for planned, alpha in zip(sweep.trials(), (0.3, 0.6), strict=True):
        task = PatternClassification(alpha=alpha)
        assert planned.trial.evaluation.on == {"unseen": task.replace(tasks="unseen"), "own": task}
        assert planned.trial.evaluation.every == 5


def test_how_often_is_recorded_may_be_varied() -> None:
    base = {"evaluation": {"on": {"unseen": {"tasks": "unseen"}}}}
    vary = {"evaluation.every": [5, 10], "evaluation.on.unseen.alpha": [0.4]}
    for planned, every in zip(Sweep(paper="li2024", base=base, vary=vary, seeds=1).trials(), (5, 10), strict=True):
        assert planned.trial.evaluation.every == every
        assert planned.trial.evaluation.on == {"unseen": PatternClassification(tasks="unseen", alpha=0.4)}


def test_a_target_stops_training_on_what_is_recorded() -> None:
    base = {
        "training": {"target_risk": 0.1},
        "evaluation": {"on": {"contexts": {}}, "probes": ["squared_error"]},
    }
    (planned,) = Sweep(paper="huang2024", base=base, seeds=1).trials()
    assert planned.trial.training.target_risk == 0.1


def test_tests_are_the_trials_own_task_with_changes() -> None:
    tests = {
        "unseen": {"task": {"tasks": "unseen", "shift": None}, "prompts": 100},
        "shifted": {"task": {"shift": {"S1": 1.3}}, "vary": {"alpha": [0.2, 0.4], "shift.S1": [1.0, 1.2]}},
    }
    sweep = Sweep(paper="li2024", vary={"task.length": [5, 9]}, seeds=2, tests=tests)
    for planned in sweep.trials():
        own = planned.trial.task
        assert len(planned.tests) == 5
        unseen, *shifted = planned.tests
        assert (unseen.name, unseen.task, unseen.prompts, unseen.varied) == (
            "unseen",
            own.replace(tasks="unseen"),
            100,
            {},
        )
        assert [test.varied for test in shifted] == [
            {"test.alpha": alpha, "test.shift.S1": S1} for alpha in (0.2, 0.4) for S1 in (1.0, 1.2)
        ]
        for test in shifted:
            assert test.prompts == 4096
            assert isinstance(test.task, PatternClassification)
            assert test.task.alpha == test.varied["test.alpha"]
            assert test.task.shift is not None
            assert test.varied["test.shift.S1"] == test.task.shift.S1
            assert test.task.length == planned.varied["task.length"]


def test_without_tests_the_own_task_is_tested() -> None:
    (planned,) = Sweep(paper="garg2022", seeds=1).trials()
    assert list(planned.tests) == [PlannedTest(OWN_TASK, planned.trial.task, 1280, {})]


def test_tests_are_on_single_prompts_whatever_training_averages() -> None:
    (planned,) = Sweep(paper="huang2024", seeds=1, tests={"rare": {"task": {"query_feature": 1}}}).trials()
    own, task = planned.trial.task, planned.tests[0].task
    assert isinstance(own, OrthonormalFeatures)
    assert own.expectation == "counts"
    assert task == own.replace(expectation="sampled", query_feature=1)


def test_a_test_is_named_by_what_it_asks() -> None:
    def one(name: str, **about: Any) -> str:
        (planned,) = Sweep(paper="li2024", seeds=1, tests={name: about}).trials()
        return planned.tests[0].hash

    assert one("a", task={"alpha": 0.5}) == one("b", vary={"alpha": [0.5]})
    assert one("a") == one("a", prompts=4096) == one("a", task={"alpha": 0.8})
    assert len({one("a"), one("a", prompts=4095), one("a", task={"alpha": 0.5})}) == 3


def test_tests_leave_the_trials_as_they_are() -> None:
    bare, tested = (
        [one.trial.hash for one in Sweep(paper="li2024", seeds=2, **more).trials()]
        for more in ({}, {"tests": {"unseen": {"task": {"tasks": "unseen"}}}, "name": "other", "question": "Why?"})
    )
    assert bare == tested


def test_paper_settings_are_a_new_mapping_each_time() -> None:
    first = paper_settings("li2024")
    first["task"]["alpha"] = 0.1
    assert paper_settings("li2024")["task"]["alpha"] == 0.8
