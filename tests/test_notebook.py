"""The library from a notebook: one order of arguments, results that print and draw themselves, names that are there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pytest
import torch
from matplotlib.figure import Figure

import iclscope as icl
from iclscope.claims.intervals import mean_interval
from iclscope.core.errors import BadRequest, Notice
from iclscope.core.frames import as_polars, frame_of
from iclscope.core.html import html_table
from iclscope.core.progress import progress_bar

PATTERNS = icl.tasks.PatternClassification(M1=3, M2=2, d_X=6, d_Y=3, length=5)
FUNCTIONS = icl.tasks.FunctionClass(d_X=2, length=4)
SHORT: dict[str, Any] = {"steps": 4, "batch_size": 4}


def one_layer(seeds: int = 2) -> icl.models.SoftmaxReLUTransformer:
    return icl.models.SoftmaxReLUTransformer.for_task(PATTERNS, width=6, seeds=seeds)


def gpt2(seeds: int = 1) -> icl.models.GPT2Transformer:
    return icl.models.GPT2Transformer(d_X=2, layers=1, heads=1, embedding=8, positions=16, seeds=seeds)


# One order


def test_the_old_order_of_train_works_with_a_warning_and_gives_the_same() -> None:
    """In a process of its own: the type checker of these tests lets no such call through."""
    program = (
        "import warnings, iclscope as icl, torch\n"
        "task = icl.tasks.PatternClassification(M1=3, M2=2, d_X=6, d_Y=3, length=5)\n"
        "model = icl.models.SoftmaxReLUTransformer.for_task(task, width=6, seeds=2)\n"
        "new = icl.train(model, task, steps=2, batch_size=4).model\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    old = icl.train(task, model, steps=2, batch_size=4).model\n"
        "print(all(torch.equal(a, b) for a, b in zip(new.parameters(), old.parameters())))\n"
        "print(caught[0].filename, caught[0].category.__name__, caught[0].message)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    same, warned = ended.stdout.splitlines()
    assert same == "True"
    assert (
        warned
        == "<string> DeprecationWarning train(task, model) is deprecated and will be removed; use train(model, task)"
    )


def test_a_result_of_training_can_be_tested_as_it_is() -> None:
    result = icl.train(one_layer(), PATTERNS, **SHORT)
    direct, inner = (icl.evaluate(one, PATTERNS, prompts=64) for one in (result, result.model))
    torch.testing.assert_close(direct.values, inner.values, rtol=0, atol=0)


def test_a_model_gets_the_sizes_of_its_task() -> None:
    model = one_layer()
    assert (model.config.d_X, model.config.d_Y, model.seeds) == (6, 3, (0, 1))
    assert icl.models.GPT2Transformer.for_task(FUNCTIONS, layers=1, heads=1, embedding=8).config.d_X == 2


# Training


def test_training_gives_the_loss_of_every_step() -> None:
    told: list[tuple[int, list[float]]] = []
    result = icl.train(one_layer(), PATTERNS, callback=lambda step, loss: told.append((step, loss.tolist())), **SHORT)
    assert tuple(result.loss.shape) == (2, 4)
    assert bool(result.loss.isfinite().all())
    assert told == [(step, result.loss[:, step].tolist()) for step in range(4)]
    assert result.to_frame().columns == ["seed", "step", "loss"]
    assert result.to_frame()["loss"].to_list() == pytest.approx(result.loss.flatten().tolist())
    assert isinstance(result.plot(), Figure)
    assert not result.is_interrupted


def test_a_run_that_diverges_has_no_loss_after_that() -> None:
    task = icl.tasks.LinearRegression(d_X=2, length=4)
    model = icl.models.LinearAttention(d_X=2, seeds=2)
    result = icl.train(model, task, optimizer="sgd", learning_rate=[1e-3, 1e30], steps=6, batch_size=4)
    at = int(result.diverged_at[1])
    assert result.diverged_at[0] == -1
    assert at >= 0
    assert bool(result.loss[0].isfinite().all())
    assert bool(result.loss[1, at:].isnan().all())
    assert result.to_frame().filter(pl.col("seed") == 1)["loss"].null_count() == 6 - at
    assert f"seed 1 at step {at}" in repr(result)


def test_what_was_trained_is_given_back_when_a_call_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: int, _: torch.Tensor) -> None:
        if step == 2:
            import signal

            signal.raise_signal(signal.SIGINT)

    with pytest.raises(icl.Interrupted) as stopped:
        icl.train(one_layer(), PATTERNS, steps=50, batch_size=4, callback=stop)
    half = stopped.value.result
    assert tuple(half.loss.shape) == (2, 3)
    assert half.is_interrupted
    whole = icl.train(one_layer(), PATTERNS, steps=3, batch_size=4)
    torch.testing.assert_close(half.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.warns(Notice, match="3 of 50 steps were made"):
        again = icl.train(one_layer(), PATTERNS, steps=50, batch_size=4, callback=stop)
    torch.testing.assert_close(again.loss, half.loss, rtol=0, atol=0)


class Writer:
    """As TensorBoard's ``SummaryWriter``."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, int]] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.seen.append((name, value, step))


class Run:
    """As a run of W&B, or the module ``trackio``."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, float], int]] = []

    def log(self, values: dict[str, float], *, step: int) -> None:
        self.seen.append((values, step))


def test_losses_go_to_a_tracker_that_a_user_has() -> None:
    writer, run = Writer(), Run()
    result = icl.train(one_layer(), PATTERNS, callback=icl.log_to(writer, every=2), **SHORT)
    icl.train(one_layer(), PATTERNS, callback=icl.log_to(run, every=3, name="hinge"), **SHORT)
    loss = result.loss.tolist()
    assert writer.seen == [(f"loss/{one}", loss[one][step], step) for step in (0, 2) for one in (0, 1)]
    assert run.seen == [({"hinge/0": loss[0][step], "hinge/1": loss[1][step]}, step) for step in (0, 3)]
    with pytest.raises(BadRequest, match="tracker: expected a SummaryWriter"):
        icl.log_to(3)


# Testing


def test_a_result_says_value_and_interval_over_seeds() -> None:
    found = icl.evaluate(one_layer(), PATTERNS, prompts=64)
    frame = found.to_frame()
    assert frame["metric"].to_list() == ["hinge_risk", "classification_error"]
    assert set(frame["over"]) == {"seeds"}
    risk = found.interval("hinge_risk")
    assert risk == mean_interval(found.hinge_risk.tolist(), least=0.0)
    error = found.interval("classification_error")
    assert 0 <= error.low <= error.value <= error.high <= 1
    assert error.value == pytest.approx(float(found.classification_error.mean()))
    text = repr(found)
    assert "2 seeds, 64 prompts each; 95 % intervals over seeds" in text
    assert f"  {error}" in text
    assert isinstance(found.plot(), Figure)
    hinge, wrong = found
    torch.testing.assert_close((hinge, wrong), (found.hinge_risk, found.classification_error), rtol=0, atol=0)


def test_a_single_run_has_an_interval_over_prompts() -> None:
    found = icl.evaluate(gpt2(), FUNCTIONS, prompts=32)
    assert found.over == "prompts"
    frame = found.to_frame()
    assert frame["length"].to_list() == [0, 1, 2, 3, 4]
    at = found.interval(length=3)
    assert at == mean_interval(found.errors[0, :, 3].double().tolist(), least=0.0)
    assert found.interval() == found.interval(length=4)
    assert isinstance(found.plot(), Figure)
    with pytest.raises(BadRequest, match="length: expected one of 0, 1, 2, 3, 4, got 9"):
        found.interval(length=9)
    with pytest.raises(BadRequest, match="metric: expected squared_error, got 'hinge'"):
        found.interval("hinge")


def test_a_run_that_gives_no_numbers_may_have_any_value() -> None:
    model = one_layer()
    with torch.no_grad():
        model.W_O[1] = torch.nan
    found = icl.evaluate(model, PATTERNS, prompts=64)
    error = found.interval("classification_error")
    assert error.missing == 1
    assert error.high == 1.0
    assert "1 of 2 not finite" in repr(found)


# Frames


def test_tables_go_to_pandas_and_arrow_and_come_back() -> None:
    found = icl.evaluate(one_layer(), PATTERNS, prompts=16)
    frame, pandas, arrow = found.to_frame(), found.to_frame("pandas"), found.to_frame("arrow")
    assert isinstance(pandas, pd.DataFrame)
    assert type(arrow).__module__.startswith("pyarrow")
    for table in (frame, frame.lazy(), pandas, arrow):
        assert as_polars(table).equals(frame)
    with pytest.raises(BadRequest, match="rows: expected a data frame of polars or pandas"):
        as_polars(3)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: pl.DataFrame) -> None:
        raise ModuleNotFoundError("no pandas", name="pandas")

    monkeypatch.setattr(pl.DataFrame, "to_pandas", missing)
    with pytest.raises(BadRequest, match="pandas is not installed; run pip install pandas pyarrow"):
        frame_of(pl.DataFrame({"a": [1]}), "pandas")


# Claims


def claim(name: str = "small-risk") -> icl.Claim:
    return icl.Claim(
        id=name,
        form="exact",
        statement="The risk is <small>.",
        source="Theorem 1",
        quantity="hinge risk",
        expected=icl.Region(high=0.1),
        reason="a tenth of a coin's",
        estimate=lambda rows: mean_interval(rows["risk"].to_list(), least=0.0),
        control=icl.Control("initial weights", "untrained"),
    )


ROWS = {"arm": ["trained"] * 3 + ["untrained"] * 3, "risk": [0.01, 0.02, 0.01, 1.0, 0.9, 1.1]}


@pytest.mark.parametrize("rows", [pl.DataFrame(ROWS), pd.DataFrame(ROWS)], ids=["polars", "pandas"])
def test_claims_are_judged_on_rows_of_ones_own(rows: Any) -> None:
    verdicts = icl.judge(rows, [claim(), claim("again")])
    assert [(one.verdict, one.control_verdict) for one in verdicts] == [("holds", "fails")] * 2
    assert verdicts.to_frame()["id"].to_list() == ["small-risk", "again"]
    assert repr(verdicts).splitlines()[0].startswith("holds  small-risk  0.0133 [0, ")
    assert repr(icl.judge(rows, ())) == "no claims"
    html = verdicts._repr_html_()
    assert html.count("<svg") == 2
    assert "<small>" not in verdicts[0]._repr_html_()


@pytest.mark.parametrize(
    ("rows", "claims", "message"),
    [
        (3, (), "rows: expected a data frame"),
        (pl.DataFrame({"risk": [1.0]}), (), "rows: expected a column 'arm'"),
    ],
)
def test_what_cannot_be_judged_is_refused(rows: Any, claims: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        icl.judge(rows, claims)


# Names


def packages() -> Iterator[types.ModuleType]:
    """The library and its packages that say what they offer."""
    yield icl
    for info in pkgutil.walk_packages(icl.__path__, "iclscope."):
        if info.ispkg and "cli" not in info.name:
            module = importlib.import_module(info.name)
            if "__all__" in vars(module):
                yield module


def test_dir_shows_what_all_says_and_no_name_hides_a_module() -> None:
    for package in packages():
        names = list(package.__all__)
        if package.__name__.count(".") < 2:
            assert dir(package) == sorted(names), package.__name__
        modules = {info.name for info in pkgutil.iter_modules(package.__path__)}
        for name in names:
            value = getattr(package, name)
            is_module = isinstance(value, types.ModuleType) and value.__name__ == f"{package.__name__}.{name}"
            assert name not in modules or is_module, f"{package.__name__}.{name} hides a module"


def test_every_public_name_has_a_docstring() -> None:
    for name in icl.__all__:
        if name != "__version__":
            assert (getattr(icl, name).__doc__ or "").strip(), name


@pytest.mark.parametrize(
    "name", ["Interval", "Preset", "Region", "Sweep", "Trial", "evaluate", "judge", "to_xarray", "train"]
)
def test_the_examples_in_docstrings_are_right(name: str) -> None:
    thing = getattr(icl, name)
    examples = doctest.DocTestFinder(recurse=False).find(thing, name, module=False, globs={})
    assert examples
    assert examples[0].examples
    for example in examples:
        assert doctest.DocTestRunner().run(example).failed == 0


def test_settings_of_a_sweep_become_dimensions() -> None:
    rows = pl.DataFrame(
        {"task.alpha": [0.2, 0.8, 0.8], "seed": [0, 0, 1], "trial": ["a", "b", "c"], "error": [0.3, 0.1, 0.2]}
    )
    found = icl.to_xarray(rows)
    assert dict(found.sizes) == {"task.alpha": 2, "seed": 2}
    assert list(found.data_vars) == ["error"]
    assert float(found["error"].sel({"task.alpha": 0.8, "seed": 1})) == 0.2
    assert bool(found["error"].sel({"task.alpha": 0.2, "seed": 1}).isnull())
    with pytest.raises(BadRequest, match="dims: expected columns that tell all rows apart, got"):
        icl.to_xarray(rows, dims=["task.alpha"])
    with pytest.raises(BadRequest, match="dims: expected columns of the table"):
        icl.to_xarray(rows, dims=["task.beta"])


def test_without_xarray_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(BadRequest, match="to_xarray needs xarray: run pip install xarray pandas"):
        icl.to_xarray(pl.DataFrame({"seed": [0]}))


# What notebooks show


def test_everything_has_a_rich_repr() -> None:
    result = icl.train(one_layer(), PATTERNS, **SHORT)
    paper = icl.papers.li2024.PAPER
    things = [
        PATTERNS,
        one_layer().config,
        one_layer(),
        result,
        icl.evaluate(result, PATTERNS, prompts=16),
        claim(),
        paper,
    ]
    for thing in things:
        html = thing._repr_html_()
        assert html.count("<table>") == html.count("</table>") == 1, type(thing)
    assert "α" in PATTERNS._repr_html_() or "alpha" in PATTERNS._repr_html_()


def test_texts_are_escaped() -> None:
    assert "<b>&lt;i&gt;</b>" in html_table([("<a>", 1)], title="<i>")
    assert "&lt;a&gt;" in html_table([("<a>", 1)], head=("x", "y"))


# Progress


def test_a_bar_is_shown_in_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    icl.train(one_layer(), PATTERNS, **SHORT)
    assert capsys.readouterr().err == ""
    icl.train(one_layer(), PATTERNS, progress=True, **SHORT)
    assert "training" in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar("work", 2) as advance:
        advance(1)
    assert "work" in capsys.readouterr().err


def test_a_notebook_gets_a_bar_without_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, content: str) -> None:
            shown.append(content)

    def display(content: str, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(content)
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    inner = types.SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)  # type: ignore[arg-type]
    with progress_bar("training", 4) as advance:
        advance(2)
        advance(2)
    assert "<progress value='0.000'" in shown[0]
    assert shown[-1] == ""
