"""From settings as a file says them to our configs, without converting anything on the way.

Pydantic takes "0.8" and true for numbers, which is a help in Python and a trap in a file. So whatever a config has
understood is compared with what was written, and refused where the two are not the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, get_args

from iclscope.experiments.trial import Evaluation, Training
from iclscope.models import ModelConfig
from iclscope.settings import Settings
from iclscope.sweeps.refusals import advice, check_names, inside, joined, refusal
from iclscope.sweeps.settings_tree import Tree
from iclscope.tasks import Task

Config = TypeVar("Config", bound=Settings)

TASKS: tuple[type[Settings], ...] = get_args(Task)
PARTS: dict[str, tuple[type[Settings], ...]] = {
    "task": TASKS,
    "model": get_args(ModelConfig),
    "training": (Training,),
    "evaluation": (Evaluation,),
}
"""What a trial is made of, but for its seed, and the configs that each part may be."""

LARGEST_SIZE = 100_000
"""The largest whole number in a task or a model: no such model fits into memory, but merely checking it may not end."""

LARGEST_NUMBER = 1e30
"""The largest real number: fourth powers of larger ones, and products of these, may not be finite."""

MOST_PATTERNS = 1000
"""The largest M1, since a pattern task lists its M1(M1 − 1) tasks."""


def check_known(settings: Mapping[str, Any], classes: Sequence[type[Settings]], place: str = "") -> None:
    """Refuse a setting that no config of these has, naming the closest that one has.

    Args:
        settings: of one config; its ``kind`` says which, where there are several.
        classes: what it may be.
        place: where the settings stand, as a dotted path.

    Raises:
        BadRequest: naming the first unknown setting, or a kind that is missing or unknown.
    """
    config = config_of(settings, classes, place)
    check_names(settings, config.model_fields, settings, place)
    for name, value in settings.items():
        below = _configs_in(config.model_fields[name].annotation)
        if not below or not isinstance(value, Mapping):
            continue
        where = joined(place, name)
        if name == "on":  # tasks by a name of their own
            for task, its_settings in value.items():
                if isinstance(its_settings, Mapping):
                    check_known(its_settings, below, joined(where, task))
        else:
            check_known(value, below, where)


def config_of(settings: Mapping[str, Any], classes: Sequence[type[Settings]], place: str) -> type[Settings]:
    """The config that settings are of, by their kind where there are several.

    Raises:
        BadRequest: if the kind is missing or unknown.
    """
    if len(classes) == 1:
        return classes[0]
    kinds = {str(config.model_fields["kind"].default): config for config in classes}
    kind = settings.get("kind")
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    raise refusal(joined(place, "kind"), kind, f"{', '.join(kinds)}{advice(kind, kinds)}")


def _configs_in(annotation: Any) -> tuple[type[Settings], ...]:
    """All configs that a field may hold."""
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
    classes = PARTS[part]
    check_known(settings, classes)
    _check_sizes(settings, whole=part in ("task", "model"))
    config = config_of(settings, classes, "")(**_made(settings))
    check_unconverted(settings, config.model_dump(mode="json"))
    return config


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


def _check_sizes(settings: Mapping[str, Any], *, whole: bool) -> None:
    """Refuse numbers at which looking at a config would take hours, all memory, or overflow.

    Args:
        settings: of one config.
        whole: whether whole numbers are sizes; steps and seeds are none.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            _check_sizes(value, whole=whole)
        elif isinstance(value, int) and whole:
            most = MOST_PATTERNS if name == "M1" else LARGEST_SIZE
            if value > most:
                raise refusal(name, value, f"at most {most:,}")
        elif isinstance(value, float) and abs(value) > LARGEST_NUMBER:
            raise refusal(name, value, f"at most {LARGEST_NUMBER:g}")


def check_unconverted(given: Any, understood: Any, place: str = "") -> None:
    """Refuse a value that was understood as another one than was written: a number in quotes, true as a number.

    A whole number may stand for a real one and the other way round, as 1 and 1.0 are the same number.

    Args:
        given: plain values.
        understood: the config's own, as plain values; it may have more names.
        place: where the value stands, as a dotted path.

    Raises:
        BadRequest: naming the place and what should have been written.
    """
    if isinstance(given, Mapping) and isinstance(understood, Mapping):
        for name, value in given.items():
            check_unconverted(value, understood.get(name), joined(place, name))
    elif isinstance(given, (list, tuple)) and isinstance(understood, list):
        for index, (value, other) in enumerate(zip(given, understood, strict=True)):
            check_unconverted(value, other, f"{place}[{index}]")
    elif type(given) is not type(understood) and not (_is_number(given) and _is_number(understood)):
        raise refusal(place, given, _as_it_should_be(given, understood))
    elif given != understood:
        raise refusal(place, given, f"{understood!r}, which is what it would be taken for")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_it_should_be(given: object, understood: object) -> str:
    if isinstance(understood, bool):
        return "true or false"
    if _is_number(understood):
        return f"a number without quotes, {understood!r}" if isinstance(given, str) else "a number"
    return f"{understood!r}, which is what it would be taken for"
