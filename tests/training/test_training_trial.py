"""A trial's name: equal for equal settings on any machine, another for any other setting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from refusals import says

from iclscope.core.errors import BadRequest
from iclscope.models import GPT2TransformerConfig, SoftmaxReLUConfig
from iclscope.tasks import FunctionClass, PatternClassification, PatternShift
from iclscope.training import trial as trial_module
from iclscope.training.schedules import Curriculum, LengthPerStep
from iclscope.training.trial import Evaluation, Training, Trial

TASK = PatternClassification(d_X=36)
TEST = TASK.replace(tasks="unseen")
BASE: dict[str, Any] = {
    "task": TASK,
    "model": SoftmaxReLUConfig(d_X=36),
    "training": Training(),
    "evaluation": Evaluation(on={"in-domain": TEST}),
    "seed": 0,
}
# One other value of every setting of a task; d_X and d_Y need a model that fits and come below.
TASK_CHANGES: dict[str, Any] = {
    "M1": 5,
    "M2": 20,
    "beta": 2.5,
    "q_norm": 0.25,
    "K": 0.25,
    "alpha": 0.75,
    "length": 19,
    "context": "exact",
    "training_tasks": "all",
    "check_condition": False,
    "tasks": "unseen",
    "shift": PatternShift(S1=1.1),
}
SHIFT_CHANGES: dict[str, Any] = {"S1": 1.2, "irrelevant": "outside", "K": 0.3, "M2": 12}
MODEL_CHANGES: dict[str, Any] = {"width": 39, "m_a": 59, "m_b": 59, "delta": 0.1, "xi": 0.01}
TRAINING_CHANGES: dict[str, Any] = {
    "optimizer": "adam",
    "loss": "squared",
    "learning_rate": 0.5,
    "rate_decay": True,
    "steps": 399,
    "batch_size": 255,
    "schedule": LengthPerStep(),
    "target_risk": 0.2,
    "precision": "double",
    "decay_power": 2.0,
    "adam_rate": 0.01,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
}
# Settings that stand only beside others.
BESIDE: dict[str, dict[str, Any]] = {"decay_power": {"rate_decay": True}, "adam_rate": {"optimizer": "muon"}}
EVALUATION_CHANGES: dict[str, Any] = {
    "on": {"elsewhere": TEST},
    "probes": ("risk", "attention"),
    "every": 19,
    "prompts": 1000,
}
# GPT-2 on a class of functions: one other value of every setting; d_X and kind as above.
FUNCTIONS = FunctionClass(length=10)
GPT2 = GPT2TransformerConfig()
SQUARED = Training(optimizer="adam", loss="squared", learning_rate=1e-3)
FUNCTION_CHANGES: dict[str, Any] = {
    "function": "sparse_linear",
    "length": 9,
    "predictions": "query",
    "inputs": "skewed",
    "x_scale": 2.0,
    "y_scale": 2.0,
    "noise": 0.1,
    "sparsity": 4,
    "depth": 3,
    "width": 50,
}
GPT2_CHANGES: dict[str, Any] = {
    "tokens": "columns",
    "layers": 2,
    "heads": 4,
    "embedding": 128,
    "positions": 65,
    "initial": "fan_in",
    "final_norm": False,
}
SCHEDULES = [
    Curriculum(),
    *(Curriculum(**change) for change in ({"dimensions": 4}, {"length": 9}, {"every": 1999})),
    *(Curriculum(**change) for change in ({"dimensions_added": 2}, {"length_added": 3})),
    LengthPerStep(),
    LengthPerStep(shortest=0),
]


def replaced(model: BaseModel, **changes: Any) -> Any:
    """A validated copy with some fields changed."""
    return type(model)(**{**{name: getattr(model, name) for name in type(model).model_fields}, **changes})


def make_trial(**changes: Any) -> Trial:
    return Trial(**{**BASE, **changes})


def functions_trial(**changes: Any) -> Trial:
    """GPT-2 on linear functions, predicting at the last x so that either token format will do."""
    return Trial(**{"task": FUNCTIONS.replace(predictions="query"), "model": GPT2, "training": SQUARED, **changes})


def test_no_setting_is_forgotten_below() -> None:
    # A kind has one value per class, and classes of other kinds have other settings.
    assert set(TASK_CHANGES) | {"kind", "d_X", "d_Y"} == set(PatternClassification.model_fields)
    assert set(MODEL_CHANGES) | {"kind", "d_X", "d_Y"} == set(SoftmaxReLUConfig.model_fields)
    assert set(FUNCTION_CHANGES) | {"kind", "d_X"} == set(FunctionClass.model_fields)
    assert set(GPT2_CHANGES) | {"kind", "d_X", "d_Y"} == set(GPT2TransformerConfig.model_fields)
    assert set(TRAINING_CHANGES) == set(Training.model_fields)
    assert set(EVALUATION_CHANGES) == set(Evaluation.model_fields)
    assert set(SHIFT_CHANGES) <= set(PatternShift.model_fields)
    assert set(BASE) == set(Trial.model_fields)


def other_trials() -> list[tuple[str, Trial]]:
    found = [("seed", make_trial(seed=1)), ("negative seed", make_trial(seed=-1))]
    for name, value in TASK_CHANGES.items():
        found.append((f"task.{name}", make_trial(task=TASK.replace(**{name: value}))))
        tested = TEST.replace(**({"tasks": "all", "training_tasks": "all"} if name == "training_tasks" else {}))
        value = "training" if name == "tasks" else value
        found.append(
            (f"on.{name}", make_trial(evaluation=Evaluation(on={"in-domain": tested.replace(**{name: value})})))
        )
    shift = PatternShift(S1=1.1)
    for name, value in SHIFT_CHANGES.items():
        room = TASK.replace(M2=12, shift=replaced(shift, **{name: value}))
        found.append((f"shift.{name}", make_trial(task=room)))
    found.append(("shift", make_trial(task=TASK.replace(M2=12, shift=shift))))
    for part, name_and_values in (
        ("model", MODEL_CHANGES),
        ("training", TRAINING_CHANGES),
        ("evaluation", EVALUATION_CHANGES),
    ):
        for name, value in name_and_values.items():
            if name in BESIDE:  # of a model that has matrices
                training = replaced(SQUARED, **BESIDE[name], **{name: value})
                found.append((f"{part}.{name}", functions_trial(training=training)))
                continue
            found.append((f"{part}.{name}", make_trial(**{part: replaced(BASE[part], **{name: value})})))
    for sizes in ({"d_X": 37}, {"d_Y": 31}):
        tasks = {"task": TASK.replace(**sizes), "evaluation": Evaluation(on={"in-domain": TEST.replace(**sizes)})}
        found.append((f"sizes {sizes}", make_trial(**tasks, model=replaced(BASE["model"], **sizes))))
    return found + trials_of_functions()


def trials_of_functions() -> list[tuple[str, Trial]]:
    found = [("functions", functions_trial()), ("functions, every x", functions_trial(task=FUNCTIONS))]
    for name, value in FUNCTION_CHANGES.items():
        if name != "predictions":
            task = FUNCTIONS.replace(**{"predictions": "query", name: value})
            found.append((f"functions.{name}", functions_trial(task=task)))
    for name, value in GPT2_CHANGES.items():
        found.append((f"gpt2.{name}", functions_trial(model=replaced(GPT2, **{name: value}))))
    found.append(("functions.d_X", functions_trial(task=FUNCTIONS.replace(d_X=21), model=replaced(GPT2, d_X=21))))
    scheduled = [(f"schedule {schedule}", replaced(SQUARED, schedule=schedule)) for schedule in SCHEDULES]
    found.extend((name, functions_trial(training=training)) for name, training in scheduled)
    on_patterns = GPT2TransformerConfig(d_X=36, d_Y=30, tokens="columns")
    found.append(("gpt2 on patterns", make_trial(model=on_patterns)))
    found.append(
        ("layers", make_trial(model=on_patterns, evaluation=Evaluation(on={"test": TEST}, probes=("layers",))))
    )
    return found


def test_every_setting_changes_the_hash() -> None:
    names: dict[str, str] = {make_trial().hash: "the trial itself"}
    for what, other in other_trials():
        assert other.hash not in names, f"{what} and {names.get(other.hash)} have one hash"
        names[other.hash] = what
    assert len(names) == len(other_trials()) + 1


def test_a_new_science_version_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_trial().hash
    monkeypatch.setattr(trial_module, "SCIENCE_VERSION", trial_module.SCIENCE_VERSION + 1)
    assert make_trial().hash != before


def test_equal_settings_have_equal_hashes() -> None:
    assert make_trial().hash == make_trial().hash
    spelled_out = Trial.model_validate(json.loads(make_trial().model_dump_json()))
    assert spelled_out == make_trial()
    assert spelled_out.hash == make_trial().hash
    # Numbers are what they are, not how they are written; defaults are settings like any other.
    whole, decimal = (make_trial(training=Training(learning_rate=rate, steps=400)) for rate in (1, 1.0))
    assert whole.hash == decimal.hash == make_trial().hash
    for _, trial in trials_of_functions():
        again = Trial.model_validate(json.loads(trial.model_dump_json()))
        assert (again, again.hash) == (trial, trial.hash)
    assert make_trial(task=TASK.replace(beta=2)).hash == make_trial().hash


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    original = make_trial()
    assert original.hash  # computed, and perhaps remembered, before the copy is made
    assert original.model_copy(update={"seed": 1}).hash == make_trial(seed=1).hash


def test_the_first_evaluation_task_counts_where_it_decides_when_to_stop() -> None:
    # A run stops on the risk of the FIRST evaluation task: another order is another training.
    easy, hard = TEST, TEST.replace(alpha=0.2)
    first_easy, first_hard = (
        make_trial(training=Training(target_risk=0.2), evaluation=Evaluation(on=on))
        for on in ({"easy": easy, "hard": hard}, {"hard": hard, "easy": easy})
    )
    assert first_easy.hash != first_hard.hash


def test_the_hash_is_the_same_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys, json\n"
        "from iclscope.training.trial import Trial\n"
        "print([Trial.model_validate(settings).hash for settings in json.load(sys.stdin)])\n"
    )
    trials = [make_trial(), *(other for _, other in other_trials())]
    settings = json.dumps([trial.model_dump(mode="json") for trial in trials])
    answer = subprocess.run(
        [sys.executable, "-c", script],
        input=settings,
        env={**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == str([trial.hash for trial in trials])


def test_hashes_are_file_names() -> None:
    assert len(make_trial().hash) >= 16
    assert set(make_trial().hash) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"training": {"learning_rate": 0}}, ["learning_rate"]),
        ({"training": {"learning_rate": float("inf")}}, ["learning_rate", "finite"]),
        ({"training": {"learning_rate": float("nan")}}, ["learning_rate"]),
        ({"training": {"steps": -1}}, ["steps"]),
        ({"training": {"steps": 1.5}}, ["steps"]),
        ({"training": {"batch_size": 0}}, ["batch_size"]),
        ({"training": {"target_risk": 0.2}}, ["target_risk", "evaluation task"]),
        ({"training": {"momentum": 0.9}}, ["momentum"]),
        ({"evaluation": {"every": 0}}, ["every"]),
        ({"evaluation": {"prompts": 0}}, ["prompts"]),
        ({"evaluation": {"probes": ("weather",)}}, ["probes", "risk"]),
        ({"model": {"kind": "softmax_relu", "d_X": 31}}, ["d_X", "30", "31"]),
        ({"model": {"kind": "softmax_relu", "width": 0}}, ["width"]),
        ({"model": {"kind": "gpt3"}}, ["model", "gpt3", "softmax_relu", "gpt2"]),
        ({"model": {"d_X": 31}}, ["model", "kind"]),
        ({"evaluation": {"on": {"wide": {"kind": "patterns", "d_X": 40}}}}, ["d_X", "40"]),
        ({"evaluation": {"on": {"wide": {"d_X": 40}}}}, ["on", "wide", "kind"]),
        ({"task": {"kind": "patterns", "alpha": 1.5}}, ["alpha"]),
        ({"task": {"kind": "weather"}}, ["task", "weather", "patterns", "functions"]),
        ({"task": {"alpha": 1.5}}, ["task", "kind"]),
        ({"training": {"optimizer": "lion"}}, ["optimizer", "lion", "adam"]),
        ({"training": {"loss": "absolute"}}, ["loss", "absolute", "squared"]),
        ({"training": {"schedule": {"kind": "curriculum", "every": 0}}}, ["every"]),
        ({"training": {"schedule": {"kind": "random"}}}, ["schedule", "random", "curriculum"]),
        ({"seed": "one"}, ["seed"]),
        ({"sed": 1}, ["sed"]),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((BadRequest, ValidationError)) as refusal:
        Trial.model_validate(settings)
    assert all(says(str(refusal.value), word) for word in words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": FUNCTIONS.replace(d_X=21)}, ["d_X", "21", "20"]),
        (
            {"task": FUNCTIONS.replace(predictions="every"), "model": SoftmaxReLUConfig(d_X=20, d_Y=1)},
            ["predictions", "every", "one-layer"],
        ),
        ({"task": FUNCTIONS, "model": replaced(GPT2, tokens="columns")}, ["tokens", "columns", "alternating"]),
        ({"task": FUNCTIONS.replace(length=41)}, ["length", "41", "40", "81"]),
        (
            {"evaluation": Evaluation(on={"long": FUNCTIONS.replace(length=41)}, probes=("squared_error",))},
            ["41", "40"],
        ),
        ({"training": replaced(SQUARED, loss="hinge")}, ["loss", "hinge", "squared"]),
        ({"evaluation": Evaluation(on={"test": FUNCTIONS}, probes=("risk",))}, ["probes", "risk", "squared_error"]),
        ({"evaluation": Evaluation(on={"test": FUNCTIONS}, probes=("layers",))}, ["probes", "layers", "squared_error"]),
        ({"evaluation": Evaluation(on={"test": PatternClassification(d_X=30, d_Y=1)})}, ["d_X"]),
        (
            {"evaluation": Evaluation(on={"test": PatternClassification(M1=3, M2=4, d_X=20, d_Y=1)})},
            ["test", "one kind"],
        ),
    ],
)
def test_what_a_model_cannot_read_or_a_task_cannot_tell_is_refused(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BadRequest) as refusal:
        functions_trial(**settings)
    assert all(says(str(refusal.value), word) for word in words), str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("model", "probe"),
    [
        (SoftmaxReLUConfig(d_X=36), "layers"),
        (SoftmaxReLUConfig(d_X=36), "squared_error"),
        (GPT2TransformerConfig(d_X=36, d_Y=30), "attention"),
        (GPT2TransformerConfig(d_X=36, d_Y=30), "projections"),
        (GPT2TransformerConfig(d_X=36, d_Y=30), "neurons"),
        (GPT2TransformerConfig(d_X=36, d_Y=30), "squared_error"),
    ],
)
def test_a_probe_of_another_model_or_task_is_refused(model: Any, probe: Any) -> None:
    """And refusing it forbids nothing else: what is allowed does not depend on the trials made before."""
    with pytest.raises(BadRequest, match=f"probes: expected .*, got '{probe}'"):
        make_trial(model=model, evaluation=Evaluation(on={"in-domain": TEST}, probes=(probe,)))
    make_trial(model=model, evaluation=Evaluation(probes=(probe,)))  # nothing is measured, so nothing is wrong
    make_trial(evaluation=Evaluation(on={"in-domain": TEST}, probes=("risk", "attention", "projections", "neurons")))


def test_answers_of_plus_and_minus_one_may_be_trained_with_either_loss() -> None:
    task = FUNCTIONS.replace(function="linear_classification")
    for loss in ("hinge", "squared"):
        assert functions_trial(task=task, training=replaced(SQUARED, loss=loss)).training.loss == loss


def test_the_longest_prompts_fit_exactly() -> None:
    assert functions_trial(task=FUNCTIONS.replace(length=31)).task.length == 31
    in_columns = replaced(GPT2, tokens="columns", positions=32)
    assert functions_trial(task=FUNCTIONS.replace(predictions="query", length=31), model=in_columns).model == in_columns


def test_a_trial_knows_its_kinds() -> None:
    one_layer, gpt2 = make_trial(), functions_trial(task=FUNCTIONS)
    assert one_layer.patterns is one_layer.task
    assert one_layer.one_layer is one_layer.model
    assert gpt2.functions is gpt2.task
    for trial, name in ((one_layer, "functions"), (gpt2, "patterns"), (gpt2, "one_layer")):
        with pytest.raises(AssertionError):
            getattr(trial, name)


def test_a_target_without_the_risk_probe_is_refused() -> None:
    with pytest.raises((BadRequest, ValidationError), match="target_risk"):
        make_trial(
            training=Training(target_risk=0.2), evaluation=Evaluation(on={"in-domain": TEST}, probes=("attention",))
        )


def test_a_trial_cannot_be_changed_after_it_has_a_name() -> None:
    with pytest.raises(ValidationError):
        make_trial().seed = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        make_trial().training.steps = 2  # type: ignore[misc]


def test_when_probes_are_taken() -> None:
    assert make_trial(training=Training(steps=50)).record_steps() == {0, 20, 40, 50}
    assert make_trial(training=Training(steps=40)).record_steps() == {0, 20, 40}
    assert make_trial(training=Training(steps=0)).record_steps() == {0}
    assert make_trial(evaluation=Evaluation()).record_steps() == frozenset()


@pytest.mark.parametrize(
    "same", [{"seed": 5}, {"training": Training(learning_rate=0.1)}, {"task": TASK.replace(alpha=0.5, beta=1.0)}]
)
def test_what_may_differ_in_one_batch(same: dict[str, Any]) -> None:
    assert make_trial(**same).shape == make_trial().shape


@pytest.mark.parametrize(
    "other",
    [
        {"training": Training(steps=5)},
        {"training": Training(batch_size=5)},
        {"model": SoftmaxReLUConfig(d_X=36, width=5)},
        {"task": TASK.replace(length=5)},
        {"evaluation": Evaluation(on={"in-domain": TEST}, every=5)},
        {"training": Training(optimizer="adam")},
        {"training": Training(loss="squared")},
        {"training": Training(rate_decay=True)},
        {"training": Training(weight_decay=0.1)},
        {"training": Training(clip_norm=0.1)},
        {"training": Training(schedule=LengthPerStep())},
        {"model": GPT2TransformerConfig(d_X=36, d_Y=30)},
    ],
)
def test_what_may_not(other: dict[str, Any]) -> None:
    assert make_trial(**other).shape != make_trial().shape


@pytest.mark.parametrize("name", sorted(FUNCTION_CHANGES))
def test_functions_in_one_batch_are_of_one_class(name: str) -> None:
    task = FUNCTIONS.replace(**{name: FUNCTION_CHANGES[name]})
    assert functions_trial(task=task).shape != functions_trial(task=FUNCTIONS).shape
    assert functions_trial(seed=5).shape == functions_trial().shape


def test_adam_moves_all_runs_of_a_batch_at_one_rate() -> None:
    fast, slow = (functions_trial(training=replaced(SQUARED, learning_rate=rate)) for rate in (1e-3, 1e-4))
    assert fast.shape != slow.shape
