"""From settings as a file says them to our configs: which there are, and what is too large for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, get_args

from iclscope.core.errors import one_of_these
from iclscope.core.refusals import advice, inside, joined, refusal
from iclscope.core.registry import MODELS, TASKS
from iclscope.core.settings import Settings
from iclscope.sweeps.file.settings_tree import Tree
from iclscope.tasks import Task
from iclscope.training.trial import Evaluation, Training

PARTS = ("task", "model", "training", "evaluation")
"""What a trial is made of, but for its seed."""


def classes_of(part: str) -> tuple[type[Settings], ...]:
    """The configs that a part of a trial may be: all tasks and models that are known, ours and others."""
    if part == "task":
        return tuple(task for _, task in TASKS.all())
    if part == "model":
        return tuple(model.config_type for _, model in MODELS.all())
    return (Training,) if part == "training" else (Evaluation,)


LARGEST_SIZE = 100_000
"""The largest whole number in a task or a model: no such model fits into memory, but merely checking it may not end."""

MOST_PROMPTS = 1_000_000
"""The most prompts of a step, a record or a test."""

MOST_STEPS = 10**9
"""The most steps: at a millisecond each they take eleven days."""

_YOUR_OWN = "; a class of your own: install its package, or call icl.sweep after icl.register"

LARGEST_NUMBER = 1e30
"""The largest real number: fourth powers of larger ones, and products of these, may not be finite."""

MOST_PATTERNS = 1000
"""The largest M1, since a pattern task lists its M1(M1 − 1) tasks."""

_MOST_OF = {"M1": MOST_PATTERNS, "batch_size": MOST_PROMPTS, "prompts": MOST_PROMPTS, "steps": MOST_STEPS}


def config_of(settings: Mapping[str, Any], classes: Sequence[type[Settings]], place: str) -> type[Settings]:
    """The config that settings are of, by their kind where there are several.

    Raises:
        BadRequest: if the kind is missing or unknown.
    """
    if len(classes) == 1:
        return classes[0]
    kinds = kinds_of(classes)
    kind = settings.get("kind")
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    hint = _YOUR_OWN if isinstance(kind, str) else ""
    raise refusal(joined(place, "kind"), kind, one_of_these(kinds) + advice(kind, kinds) + hint)


def kinds_of(classes: Sequence[type[Settings]]) -> dict[str, type[Settings]]:
    """Configs by their kind."""
    return {str(config.model_fields["kind"].default): config for config in classes}


def takes_whole(classes: Sequence[type[Settings]], name: str) -> bool:
    """Whether a setting takes whole numbers and no others, in each of these configs that has it.

    Args:
        classes: what the config may be.
        name: the setting, dotted where it is one of a setting: ``shift.M1``.
    """
    first, _, below = name.partition(".")
    annotations = [config.model_fields[first].annotation for config in classes if first in config.model_fields]
    if first == "on":  # tasks by a name of their own
        below = below.partition(".")[2]
    if below:
        configs = [config for annotation in annotations for config in _configs_in(annotation)]
        return takes_whole(configs, below)
    members = [[annotation, *get_args(annotation)] for annotation in annotations]
    return bool(members) and all(int in types and float not in types for types in members)


def _configs_in(annotation: Any) -> tuple[type[Settings], ...]:
    """All configs that a field may hold."""
    if annotation is Task:
        return classes_of("task")
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return (annotation,)
    return tuple(config for part in get_args(annotation) for config in _configs_in(part))


def config_from(settings: Mapping[str, Any], part: str) -> Any:
    """The config that settings describe, exactly as they say.

    Equal settings give the same object, so that a million trials do not hold a million equal tasks.

    Args:
        settings: plain values only; names that are missing keep their defaults.
        part: a key of `PARTS`.

    Returns:
        A task, a model's config, `Training` or `Evaluation`.

    Raises:
        BadRequest: naming the setting that is unknown, not allowed, or of another type than it should be. The name is
            the part's own, for instance "beta"; `inside` puts a place before it.
    """
    return _config(part, json.dumps(settings))


@lru_cache(maxsize=4096)
def _config(part: str, text: str) -> Settings:
    settings: Tree = json.loads(text)
    config = config_of(settings, classes_of(part), "")
    _check_sizes(settings, [config], sizes=part in ("task", "model"))
    return config(**_made(settings))


def _made(settings: Tree) -> Tree:
    """Settings with the evaluation tasks among them made one by one, so that a refusal says which one it is of."""
    on = settings.get("on")
    if not isinstance(on, dict):
        return settings
    tasks = {}
    for name, task in on.items():
        if not isinstance(task, dict):
            raise refusal(f"on.{name}", task, "changes to the task trained on, a mapping")
        with inside(f"on.{name}", task):
            tasks[name] = config_from(task, "task")
    return {**settings, "on": tasks}


def _check_sizes(settings: Mapping[str, Any], classes: Sequence[type[Settings]], *, sizes: bool) -> None:
    """Refuse numbers at which looking at a config would take hours, all memory, or overflow.

    Args:
        settings: of one config.
        classes: what it may be.
        sizes: whether whole numbers are sizes, but for those that say how many; seeds are none.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            below = [
                config
                for one in classes
                if name in one.model_fields
                for config in _configs_in(one.model_fields[name].annotation)
            ]
            with inside(name):
                _check_sizes(value, below, sizes=sizes)
            continue
        most = _MOST_OF.get(name, LARGEST_SIZE if sizes else None)
        for number in value if isinstance(value, list) else [value]:
            # 1e12 is a whole number too, where only these are allowed.
            whole = isinstance(number, int) or (isinstance(number, float) and takes_whole(classes, name))
            if whole and most is not None and number > most:
                raise refusal(name, value, f"at most {most:,}")
            if isinstance(number, float) and abs(number) > LARGEST_NUMBER:
                raise refusal(name, value, f"at most {LARGEST_NUMBER:g}")
