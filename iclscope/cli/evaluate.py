"""``iclscope evaluate``: a trained model on new settings, without training."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import torch
import typer
from rich.console import Console
from rich.table import Table

from iclscope.baselines.regression import REGRESSION_BASELINES
from iclscope.claims.formats import format_interval, format_number
from iclscope.claims.intervals import Interval
from iclscope.cli.task_settings import given_settings, settings_of_all_tasks, understood
from iclscope.core.environment import DEVICES, chosen_device
from iclscope.core.errors import BadRequest, one_of_these, require, unusable
from iclscope.core.files import atomic_write, user_path
from iclscope.evaluation.errors_table import error_table
from iclscope.evaluation.new_settings import changed_task, trained_tasks
from iclscope.execution.local import cores
from iclscope.models import Model, load_model
from iclscope.models.words import changes_text, model_text, task_text
from iclscope.tasks import Task
from iclscope.tasks.task import SQUARED_ERROR

DEFAULT_BASELINES = ("least squares", "3-NN", "averaging")
NO_BASELINE = "none"
MOST_SHOWN = 12
"""Context lengths in the printed table; a file gets all."""

_EXAMPLE = "results/garg2022/checkpoints/linear-d5-seed0"
_FOLDER = f"a folder written by save_pretrained, e.g. {_EXAMPLE}"
_MADE = "'iclscope reproduce garg2022' makes that one"
_WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".json": pl.DataFrame.write_json,
}


def evaluate_command(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help=f"The model: {_FOLDER}.")],
    prompts: Annotated[
        int | None, typer.Option(metavar="N", help="Test prompts per run; default: 1280, for patterns 4096.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Seed of the test prompts (N+1 for a second run, …); default: the runs' own. Not for patterns.",
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Method to test on the same prompts, where answers are numbers (repeatable). One of: "
            f"{'; '.join(REGRESSION_BASELINES)}; or {NO_BASELINE}. Default: {'; '.join(DEFAULT_BASELINES)}.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Device to run on.")] = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Also write all rows: {', '.join(_WRITERS)}; a new file.")
    ] = None,
) -> None:
    """Test a trained model on new settings, without training.

    The task is the one the model was trained on, except for settings given as further options, such as --length 20.
    Each kind of task has its own:
    """
    require(prompts is None or prompts >= 2, "--prompts", prompts, "at least 2, or there is no interval")
    baselines = _baselines_named(baseline)
    where = chosen_device(device)
    out = None if out is None else user_path(out, "--out")
    _check_new_file(out)
    given = given_settings(context.args)
    model = _loaded(user_path(checkpoint, "CHECKPOINT"), where)
    trained = trained_tasks(model)
    first = trained[0]
    changes = understood(first, given)
    by_length = first.metrics == (SQUARED_ERROR,)
    why = f"where a model was trained on numbers, not on {first.title}"
    require(by_length or baseline is None, "--baseline", baseline, why)
    why = f"no seed: prompts of {first.title} belong to the seeds trained on, as their patterns do"
    require(not first.supports_probes or seed is None, "--seed", seed, why)
    require(changes.get("d_X", first.d_X) == first.d_X, "--d-X", changes.get("d_X"), f"{first.d_X}, the model's")
    task = changed_task(model, **changes)
    tested: Sequence[Task] = task if isinstance(task, tuple) else [task] * model.run_count
    try:
        tested[0].check_effect(changes)
    except BadRequest as error:
        raise BadRequest(f"--{error}") from error
    lengths = _spread(tested[0]) if by_length else None
    with Console(stderr=True).status("Evaluating"):
        rows = error_table(
            model,
            task,
            prompts=prompts,
            baselines=baselines if by_length else (),
            seeds=None if seed is None else [seed + run for run in range(model.run_count)],
            lengths=None if out is not None else lengths,
            processes=cores(),
        )
    console = Console(highlight=False, markup=False)
    console.print(f"{checkpoint.name or checkpoint}: {_what(model, trained, tested)}", soft_wrap=True)
    name = str(model.config.summary()["model"])
    console.print(_risks(rows) if lengths is None else _by_length(rows, lengths, name))
    console.print(_note(rows, model), soft_wrap=True)
    if out is not None:
        _write(rows, out)
        console.print(f"Rows: {out}", soft_wrap=True)


_LINES = "\n\n".join(settings_of_all_tasks())
evaluate_command.__doc__ = (
    f"{inspect.cleandoc(evaluate_command.__doc__ or '')}\n\n{_LINES}"  # which ones there are is not known here
)


def _baselines_named(names: Sequence[str] | None) -> tuple[str, ...]:
    """The baselines asked for, each once."""
    if names is None:
        return DEFAULT_BASELINES
    for name in names:
        require(name in {*REGRESSION_BASELINES, NO_BASELINE}, "--baseline", name, one_of_these(REGRESSION_BASELINES))
    require(NO_BASELINE not in names or set(names) == {NO_BASELINE}, "--baseline", list(names), "none alone, or names")
    return tuple(name for name in dict.fromkeys(names) if name != NO_BASELINE)


def _check_new_file(path: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is computed for it."""
    if path is None:
        return
    try:
        require(path.suffix in _WRITERS, "--out", str(path), f"a file that ends in {', '.join(_WRITERS)}")
        require(not path.exists() and not path.is_symlink(), "--out", str(path), "a new file; this one exists")
        require(path.parent.is_dir(), "--out", str(path), f"a file in a folder that exists; {path.parent} does not")
        require(os.access(path.parent, os.W_OK), "--out", str(path), "a file in a folder that can be written to")
    except OSError as error:
        raise unusable("--out", str(path), error.strerror or str(error)) from error


def _loaded(folder: Path, device: torch.device) -> Model:
    """The model of a checkpoint."""
    try:
        require(folder.exists(), "CHECKPOINT", str(folder), f"{_FOLDER} ({_MADE}); this does not exist")
        require(folder.is_dir(), "CHECKPOINT", str(folder), f"{_FOLDER}; this is a file")
        return load_model(folder, device)
    except OSError as error:
        raise unusable("CHECKPOINT", str(folder), error.strerror or str(error)) from error


def _spread(task: Task) -> list[int]:
    """The context lengths to show: all if they are few, else about twelve, with 0, d, 2d and the longest."""
    there = task.test_lengths
    if len(there) <= MOST_SHOWN:
        return list(there)
    chosen = {round(place) for place in np.linspace(there[0], there[-1], MOST_SHOWN - 2)}
    return sorted(chosen | ({task.d_X, 2 * task.d_X} & set(there)))


def _what(model: Model, trained: Sequence[Task], tested: Sequence[Task]) -> str:
    """What is evaluated, in one line."""
    if not model.trained_on:
        return f"{model_text(model)}. It does not tell what it was trained on. Tested on {task_text(tested)}."
    changed = changes_text(tested, trained)
    return (
        f"{model_text(model)}. Trained on {task_text(trained)}. "
        f"Tested on the same{f', but with {changed}' if changed else ''}."
    )


def _by_length(rows: pl.DataFrame, lengths: Sequence[int], name: str) -> Table:
    """Errors of the model and of baselines against context length."""
    methods = rows["method"].unique(maintain_order=True).to_list()
    table = Table("examples", name, "90 % interval", *methods[1:], box=None, header_style="bold")
    cells = {(row["method"], row["length"]): row for row in rows.iter_rows(named=True)}
    for length in lengths:
        own, *others = (cells[method, length] for method in methods)
        ends = format_interval(Interval(own["error"], own["low"], own["high"], own["runs"]))
        table.add_row(str(length), format_number(own["error"]), ends, *(format_number(row["error"]) for row in others))
    return table


def _risks(rows: pl.DataFrame) -> Table:
    """Both risks."""
    table = Table("quantity", "value", "95 % interval", box=None, header_style="bold")
    for row in rows.iter_rows(named=True):
        ends = format_interval(Interval(row["value"], row["low"], row["high"], row["runs"]))
        table.add_row(row["quantity"], format_number(row["value"]), ends)
    return table


def _note(rows: pl.DataFrame, model: Model) -> str:
    """What the numbers are and what they rest on."""
    runs, prompts = rows["runs"][0], rows["prompts"][0]
    left_out = model.run_count - runs
    lost = f" {left_out} of {model.run_count} runs left out: their answers are not finite." if left_out else ""
    each = f"{prompts} prompts" if model.run_count == 1 else f"{prompts} prompts of each of {runs} runs"
    if "method" in rows.columns:
        return f"Mean squared errors, 1 = predicting 0; the interval is a bootstrap over {each}.{lost}"
    over = each if rows["over"][0] == "prompts" else f"{runs} runs, {prompts} prompts each"
    return f"The intervals are over {over}.{lost}"


def _write(rows: pl.DataFrame, path: Path) -> None:
    """Write all rows into a new file, whole or not at all."""
    try:
        with atomic_write(path) as temporary:
            _WRITERS[path.suffix](rows, temporary)
            _check_new_file(path)
    except OSError as error:
        raise BadRequest(f"--out = {str(path)!r} cannot be written: {error.strerror}") from error
