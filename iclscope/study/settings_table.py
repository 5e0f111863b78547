"""What a figure was trained on, in the papers' symbols; several values where a setting varies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from iclscope.claims.conditions import Condition
from iclscope.claims.formats import format_number
from iclscope.claims.reference import FIRST_SEED
from iclscope.study.experiment import Experiment, Preset
from iclscope.study.pages.page import ConditionValue
from iclscope.training.schedules import Curriculum
from iclscope.training.trial import Trial


def settings_of(trials: Sequence[Trial], preset: Preset, rows: pl.DataFrame) -> dict[str, str]:
    """Name → values of every setting that the trials have, in the order to be shown.

    Args:
        trials: what was trained.
        preset: for the number of seeds.
        rows: the figure's rows, for the number of test prompts.
    """
    values: dict[str, list[str]] = {}
    for trial in trials:
        for name, value in (trial.task.summary() | trial.model.summary() | _of_training(trial)).items():
            text = value if isinstance(value, str) else f"{value:g}"
            if text not in values.setdefault(name, []):
                values[name].append(text)
    return {name: ", ".join(_ordered(found)) for name, found in values.items()} | {
        "seeds": _seeds(trials, preset),
        **_test_prompts(trials, rows),
        "trainings": str(len(trials)),
    }


def _seeds(trials: Sequence[Trial], preset: Preset) -> str:
    """How many seeds, said for each kind of model where they differ."""
    seeds: dict[str, set[int]] = {}
    for trial in trials:
        seeds.setdefault(str(trial.model.summary().get("model", trial.model.kind)), set()).add(trial.seed)
    reference = {seed for of_kind in seeds.values() for seed in of_kind if seed >= FIRST_SEED}
    counts = {kind: len(of_kind - reference) for kind, of_kind in seeds.items()}
    if len(set(counts.values())) > 1:
        text = ", ".join(f"{count} ({kind})" for kind, count in counts.items())
    else:
        text = str(next(iter(counts.values()), len(preset.seeds)))
    return f"{text}, and {len(reference)} of the reference" if reference else text


def _of_training(trial: Trial) -> dict[str, float | str]:
    training = trial.training
    settings: dict[str, float | str] = {
        "optimizer": {"sgd": "SGD", "adam": "Adam", "muon": "Muon"}[training.optimizer],
        "η": training.learning_rate,
        "B": training.batch_size,
        "steps": training.steps,
    }
    if training.rate_decay:
        power = training.decay_power
        settings["η over steps"] = "linear to 0" if power == 1 else f"(1 − t/T)^{power:g}"
    if training.adam_rate is not None:
        settings["Adam's rate for the rest"] = training.adam_rate
    if training.weight_decay:
        settings["weight decay"] = training.weight_decay
    if training.clip_norm is not None:
        settings["gradient norm at most"] = training.clip_norm
    if isinstance(training.schedule, Curriculum):
        plan = training.schedule
        settings["curriculum"] = (
            f"from {plan.dimensions} dimensions and {plan.length} examples, "
            f"{plan.dimensions_added} and {plan.length_added} more every {plan.every} steps"
        )
    elif training.schedule is not None:
        settings["training lengths"] = f"drawn per step from {training.schedule.shortest} up"
    return settings


def _ordered(texts: Sequence[str]) -> list[str]:
    """Numbers by size, before words."""

    def key(text: str) -> tuple[float, str]:
        try:
            return float(text), ""
        except ValueError:
            return float("inf"), text

    return sorted(texts, key=key)


def _test_prompts(trials: Sequence[Trial], rows: pl.DataFrame) -> dict[str, str]:
    """How many prompts each number rests on: from the rows, or for trajectories from the trials.

    Nothing where neither knows: recorded weights rest on no prompts.
    """
    counts = set(rows["prompts"].drop_nulls()) if "prompts" in rows.columns else set()
    counts = counts or {trial.evaluation.prompts for trial in trials if set(trial.evaluation.probes) - {"weights"}}
    return {"test prompts per seed and point": ", ".join(str(n) for n in sorted(counts))} if counts else {}


def conditions_of(experiment: Experiment, trials: Sequence[Trial]) -> list[tuple[str, list[ConditionValue]]]:
    """What the theorem asks of the trainings and what they have, one entry per condition."""
    if experiment.conditions is None:
        return []
    found: dict[str, list[Condition]] = {}
    for trial in trials:
        for condition in experiment.conditions(trial):
            found.setdefault(condition.name, []).append(condition)
    return [(name, _values(conditions)) for name, conditions in found.items()]


def _values(conditions: Sequence[Condition]) -> list[ConditionValue]:
    """What trainings have for one condition: each value, or of a law without a constant the range of its multiples."""
    if conditions[0].met is None:
        low, high = (pick(one.multiple for one in conditions) for pick in (min, max))
        span = format_number(low) if low == high else f"{format_number(low)} to {format_number(high)}"
        text = f"{span} times the law; the reference's constant is c = {format_number(conditions[0].constant)}"
        return [ConditionValue(text, len(conditions), None)]
    counts = Counter((one.value, one.met) for one in conditions)
    return [ConditionValue(value, count, met) for (value, met), count in counts.items()]
