"""`iclscope evaluate`: its numbers are those of `icl.evaluate`, and whatever it cannot do it refuses in one line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import gpt2_reference
import numpy as np
import polars as pl
import pytest
import reference
import torch
from refusals import says
from scipy import stats

import iclscope as icl
from iclscope.baselines.regression import REGRESSION_BASELINES, baseline_errors
from iclscope.claims.formats import format_number
from iclscope.cli.main import main
from iclscope.evaluation import function_prompts
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import GPT2Transformer, LinearAttention, SoftmaxReLUTransformer, load_model
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification, PatternShift

LINEAR = FunctionClass(d_X=5, length=10)
PATTERNS = PatternClassification(M1=6, M2=3, d_X=9, d_Y=4, length=6)
GPT2 = {"layers": 2, "heads": 2, "embedding": 8}
SQUARES, NEIGHBOURS, AVERAGING = "least squares", "3-NN", "averaging"
FUNCTION_COLUMNS = ["method", "length", "error", "low", "high", "standard_error", "runs", "prompts"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of every kind of model and task, each trained for a few steps."""
    folder = tmp_path_factory.mktemp("made")
    untrained = GPT2Transformer(d_X=5, positions=22, seeds=[0, 3], **GPT2)
    linear = icl.train(untrained, LINEAR, steps=5, batch_size=8).model
    linear.save_pretrained(folder / "linear")
    linear.run(1).save_pretrained(folder / "one")
    untrained.save_pretrained(folder / "untold")
    at_the_query = LINEAR.replace(predictions="query", length=4)
    columns = GPT2Transformer(d_X=5, positions=5, tokens="columns", **GPT2)
    icl.train(columns, at_the_query, steps=2, batch_size=8).model.save_pretrained(folder / "columns")
    long = GPT2Transformer(d_X=8, positions=100, layers=1, heads=1, embedding=4)
    icl.train(long, FunctionClass(d_X=8, length=40), steps=1, batch_size=2).model.save_pretrained(folder / "long")

    one_layer = SoftmaxReLUTransformer(d_X=9, d_Y=4, width=12, seeds=3)
    own = [PATTERNS.replace(alpha=alpha) for alpha in (0.6, 0.8, 0.8)]
    patterns = icl.train(one_layer, own, steps=30, batch_size=32).model
    patterns.save_pretrained(folder / "patterns")
    patterns.run(0).save_pretrained(folder / "one-patterns")
    one_layer.save_pretrained(folder / "untold-patterns")
    regression = LinearRegression(d_X=3, length=4)
    for name, task in (("regression", regression), ("linear-attention", LINEAR.replace(d_X=3, predictions="query"))):
        icl.train(LinearAttention(d_X=3), task, steps=2, batch_size=4).model.save_pretrained(folder / name)
    reader = GPT2Transformer(d_X=9, d_Y=4, positions=7, tokens="columns", seeds=2, **GPT2)
    icl.train(reader, PATTERNS, steps=5, batch_size=8, optimizer="adam").model.save_pretrained(folder / "gpt2-patterns")
    return folder


@pytest.fixture(autouse=True)
def in_a_folder_of_checkpoints(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test sees the checkpoints under their names, in a terminal wide enough for all columns."""
    for folder in made.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints."""
    assert main(["evaluate", *words]) == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert output.err == ""
    return output.out


def rows_of(capsys: pytest.CaptureFixture[str], *words: str, out: str = "rows.parquet") -> pl.DataFrame:
    """The rows that the command writes."""
    assert said(capsys, *words, "--out", out).splitlines()[-1] == f"Rows: {out}"
    rows = pl.read_parquet(out)
    Path(out).unlink()
    return rows


def errors_in(rows: pl.DataFrame, method: str = "model") -> list[float]:
    return rows.filter(pl.col("method") == method)["error"].to_list()


def cells(output: str) -> dict[str, list[str]]:
    """The printed table's lines after their first word, without intervals."""
    lines = [re.sub(r"\[.*?\]", "", line).split() for line in output.splitlines()[2:-1]]
    return {line[0]: line[1:] for line in lines}


def test_functions_are_evaluated_as_by_icl_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "linear", "--prompts", "64")
    assert rows.columns == FUNCTION_COLUMNS
    assert rows["method"].unique(maintain_order=True).to_list() == ["model", SQUARES, NEIGHBOURS, AVERAGING]
    assert rows["length"].to_list() == [*range(11)] * 4
    assert set(rows["runs"]) == {2}
    assert set(rows["prompts"]) == {64}
    found = icl.evaluate(load_model("linear"), LINEAR, prompts=64)
    assert errors_in(rows) == pytest.approx(found.mean.mean(dim=0).tolist())
    (batch,) = function_prompts(LINEAR, (0, 3), 64, dtype=torch.float64)
    for name in (SQUARES, NEIGHBOURS, AVERAGING):
        plain = baseline_errors([name], batch.inputs, batch.values, range(11))[name].mean(dim=(0, 1)) / 5
        assert errors_in(rows, name) == pytest.approx(plain.tolist(), rel=1e-9, abs=1e-12)


def test_functions_against_a_plain_reference(capsys: pytest.CaptureFixture[str]) -> None:
    """Token by token on transformers' own model, squared errors and intervals written out."""
    rows = rows_of(capsys, "one", "--prompts", "12", "--noise", "0.5", "--baseline", "none")
    model = load_model("one")
    plain = gpt2_reference.PlainGPT2(model.state_dict(), 0, heads=2)
    (batch,) = function_prompts(LINEAR.replace(noise=0.5), (3,), 12)
    errors = np.zeros((12, 11))
    for prompt in range(12):
        inputs, answers = batch.inputs[0, prompt].tolist(), [[y] for y in batch.answers[0, prompt].tolist()]
        tokens = gpt2_reference.alternating(inputs, answers, None)
        output = plain.read(tokens.vectors).output[tokens.read_at]
        errors[prompt] = ((output - batch.values[0, prompt]) ** 2 / 5).tolist()
    assert errors_in(rows) == pytest.approx(errors.mean(axis=0), rel=1e-4)
    draws = np.random.default_rng(1).integers(12, size=(4000, 12))
    low, high = np.percentile(errors[draws].mean(axis=1), [5, 95], axis=0)
    assert rows["low"].to_list() == pytest.approx(low, rel=0.1)
    assert rows["high"].to_list() == pytest.approx(high, rel=0.1)
    assert rows["standard_error"].to_list() == pytest.approx(errors.std(axis=0) / 12**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ("--length 4", {"length": 4}),
        ("--length 1", {"length": 1}),
        ("--d-X 5 --x-scale 2", {"x_scale": 2.0}),
        ("--y-scale 0.5", {"y_scale": 0.5}),
        ("--noise 1", {"noise": 1.0}),
        ("--inputs skewed", {"inputs": "skewed"}),
        ("--inputs half_subspace", {"inputs": "half_subspace"}),
        ("--function sparse_linear --sparsity 2", {"function": "sparse_linear", "sparsity": 2}),
        ("--function decision_tree --depth 2", {"function": "decision_tree", "depth": 2}),
        ("--function relu_network --width 7", {"function": "relu_network", "width": 7}),
        ("--function quadratic", {"function": "quadratic"}),
        ("--function linear_classification", {"function": "linear_classification"}),
    ],
)
def test_every_option_of_functions_reaches_the_task(
    capsys: pytest.CaptureFixture[str], options: str, changes: dict[str, Any]
) -> None:
    rows = rows_of(capsys, "linear", "--prompts", "16", "--baseline", SQUARES, *options.split())
    task = LINEAR.replace(**changes)
    found = icl.evaluate(load_model("linear"), task, prompts=16)
    assert errors_in(rows) == pytest.approx(found.mean.mean(dim=0).tolist())
    (batch,) = function_prompts(task, (0, 3), 16, dtype=torch.float64)
    plain = baseline_errors([SQUARES], batch.inputs, batch.answers, found.lengths, values=batch.values)[SQUARES]
    assert errors_in(rows, SQUARES) == pytest.approx(
        (plain.mean(dim=(0, 1)) / task.scale).tolist(), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("inputs", ["orthants", "orthogonal_query", "repeated_query"])
def test_each_length_is_a_test_of_its_own_where_the_query_is_drawn_apart(
    capsys: pytest.CaptureFixture[str], inputs: Any
) -> None:
    rows = rows_of(capsys, "linear", "--prompts", "16", "--inputs", inputs, "--baseline", SQUARES)
    longest = 4 if inputs == "orthogonal_query" else 10
    assert rows["length"].to_list() == [*range(1, longest + 1)] * 2
    model = load_model("linear")
    for length, own, squares in zip(range(1, longest + 1), errors_in(rows), errors_in(rows, SQUARES), strict=True):
        task = LINEAR.replace(inputs=inputs, predictions="query", length=length)
        left = 5 / (5 - length) if inputs == "orthogonal_query" else 1.0
        assert own == pytest.approx(left * float(icl.evaluate(model, task, prompts=16).mean.mean()))
        (batch,) = function_prompts(task, (0, 3), 16, dtype=torch.float64)
        plain = baseline_errors([SQUARES], batch.inputs, batch.values, [length])[SQUARES].mean() / 5
        assert squares == pytest.approx(left * float(plain), rel=1e-9, abs=1e-12)


def test_a_model_that_was_trained_to_answer_the_query_alone_is_tested_at_every_length(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = rows_of(capsys, "columns", "--prompts", "16", "--baseline", "none")
    tasks = [LINEAR.replace(predictions="query", length=length) for length in range(1, 5)]
    found = [float(icl.evaluate(load_model("columns"), task, prompts=16).mean) for task in tasks]
    without, *others = errors_in(rows)
    assert others == pytest.approx(found)
    assert without > 0


def test_other_prompts_by_their_seed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["linear", "--prompts", "16", "--baseline", AVERAGING]
    rows = rows_of(capsys, *words, "--seed", "7")
    found = icl.evaluate(load_model("linear"), LINEAR, prompts=16, seeds=[7, 8])
    assert errors_in(rows) == pytest.approx(found.mean.mean(dim=0).tolist())
    (batch,) = function_prompts(LINEAR, (7, 8), 16, dtype=torch.float64)
    plain = baseline_errors([AVERAGING], batch.inputs, batch.values, range(11))[AVERAGING].mean(dim=(0, 1)) / 5
    assert errors_in(rows, AVERAGING) == pytest.approx(plain.tolist())
    assert errors_in(rows) != errors_in(rows_of(capsys, *words))


def test_the_table_shows_what_the_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["linear", "--prompts", "64"]
    output = said(capsys, *words)
    rows = rows_of(capsys, *words)
    table = cells(output)
    assert list(table) == [str(length) for length in range(11)]
    for length, shown in table.items():
        of_length = rows.filter(pl.col("length") == int(length))
        assert shown == [format_number(error) for error in of_length["error"]]
        own = of_length.row(0, named=True)
        assert f"[{format_number(own['low'])}, {format_number(own['high'])}]" in output
    header, *_, note = output.splitlines()
    assert header.startswith("linear: GPT-2 with 2 layers, 2 heads and embedding 8, 2 runs (seeds 0, 3).")
    assert "Trained on linear functions, d_X = 5, length = 10. Tested on the same." in header
    assert "64 prompts of each of 2 runs" in note
    header = said(capsys, "one", "--prompts", "8", "--noise", "1", "--inputs", "skewed").splitlines()[0]
    assert header.endswith("1 run (seed 3). Trained on linear functions, d_X = 5, length = 10. "
                           "Tested on the same, but with inputs = skewed, noise = 1.")  # fmt: skip
    trained = said(capsys, "one", "--prompts", "8", "--function", "decision_tree").splitlines()[0]
    assert trained.endswith("but with function = decision_tree.")


def test_of_many_lengths_some_are_shown_and_all_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["long", "--prompts", "4", "--baseline", "none"]
    table = cells(said(capsys, *words))
    assert 8 <= len(table) <= 12
    assert {"0", "8", "16", "40"} <= set(table)
    written = errors_in(rows_of(capsys, *words))
    assert len(written) == 41
    assert table == {length: [format_number(written[int(length)])] for length in table}
    assert {"0", "8", "16", "49"} <= set(cells(said(capsys, *words, "--length", "49")))


def test_only_the_lengths_that_are_shown_are_computed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the query is drawn apart, a length is an evaluation."""
    read: list[int] = []
    predict = GPT2Transformer.predict

    def counted(model: GPT2Transformer, prompts: Any) -> Any:
        read.append(prompts.inputs.shape[2] - 1)
        return predict(model, prompts)

    monkeypatch.setattr(GPT2Transformer, "predict", counted)
    monkeypatch.setattr(GPT2Transformer, "is_as_made", lambda _: False)  # compiled steps ask no predict
    words = ["long", "--inputs", "orthants", "--prompts", "4", "--baseline", "none"]
    shown = [int(length) for length in cells(said(capsys, *words))]
    assert read == shown
    assert {1, 8, 16, 40} <= set(shown)
    read.clear()
    said(capsys, *words, "--out", "rows.csv")
    assert read == list(range(1, 41))


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ("", {}),
        ("--length 9", {"length": 9}),
        ("--length 1", {"length": 1}),
        ("--alpha 0.3 --tasks unseen", {"alpha": 0.3, "tasks": "unseen"}),
        ("--tasks all --beta 3", {"tasks": "all", "beta": 3.0}),
        ("--K 1", {"K": 1.0}),
        ("--S1 1.2 --K 0.2", {"shift": PatternShift(S1=1.2), "K": 0.2}),
    ],
)
def test_patterns_are_evaluated_as_by_icl_evaluate(
    capsys: pytest.CaptureFixture[str], options: str, changes: dict[str, Any]
) -> None:
    rows = rows_of(capsys, "patterns", "--prompts", "200", *options.split())
    model = load_model("patterns")
    assert model.trained_on is not None
    tasks = [task.replace(**changes) for task in model.trained_on if isinstance(task, PatternClassification)]
    risks = icl.evaluate(model, tasks, prompts=200)
    assert rows["quantity"].to_list() == ["hinge risk", "classification error"]
    for found, values in zip(rows.iter_rows(named=True), risks, strict=True):
        assert found["value"] == pytest.approx(float(values.mean()))
        half = stats.t.ppf(0.975, 2) * float(values.std()) / 3**0.5
        if found["quantity"] == "hinge risk":
            assert (found["low"], found["high"]) == pytest.approx((found["value"] - half, found["value"] + half))
        else:
            interval = icl.evaluation.rate_interval(values.tolist(), 200)
            assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
        assert (found["over"], found["runs"], found["prompts"]) == ("runs", 3, 200)


def test_one_run_of_patterns_against_a_plain_reference(capsys: pytest.CaptureFixture[str]) -> None:
    output = said(capsys, "one-patterns", "--prompts", "40")
    rows = rows_of(capsys, "one-patterns", "--prompts", "40")
    model = load_model("one-patterns")
    task = PATTERNS.replace(alpha=0.6)
    dense = task.sampler([0], dtype=torch.float64).prompts(40, purpose=EVALUATION_PURPOSE).dense()
    weights = {name: weight.detach().double() for name, weight in model.state_dict().items()}
    answers = reference.predict(weights, reference.Batch(dense.columns, dense.query, dense.labels, dense.mask))
    margins = [float(a.output) * float(z) for a, z in zip(answers[0], dense.labels[0], strict=True)]
    losses = np.maximum(0, 1 - np.array(margins))
    wrong = sum(margin < 0 for margin in margins)
    half = stats.t.ppf(0.975, 39) * losses.std(ddof=1) / 40**0.5
    hinge, error = rows.iter_rows(named=True)
    assert hinge["value"] == pytest.approx(losses.mean(), abs=1e-5)
    # Student's ends, or a little further where a few prompts are far off.
    for end, reach in (("low", losses.mean() - hinge["low"]), ("high", hinge["high"] - losses.mean())):
        assert half - 1e-5 <= reach <= 1.5 * half, end
    # Clopper and Pearson's ends are quantiles of beta distributions.
    low = stats.beta.ppf(0.025, wrong, 41 - wrong) if wrong else 0.0
    found = [error["value"], error["low"], error["high"]]
    assert found == pytest.approx([wrong / 40, low, stats.beta.ppf(0.975, wrong + 1, 40 - wrong)])
    assert set(rows["over"]) == {"prompts"}
    assert format_number(hinge["value"]) in output
    header, *_, note = output.splitlines()
    assert header.startswith(
        "one-patterns: one-layer transformer with 12 neurons, 1 run (seed 0). Trained on patterns,"
    )
    assert "alpha = 0.6" in header
    assert "over 40 prompts" in note


def test_runs_that_were_trained_on_different_tasks_keep_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    header = said(capsys, "patterns", "--prompts", "8", "--S1", "1").splitlines()[0]
    trained, tested = header.split("Tested on")
    assert "alpha = 0.6 or 0.8 (each run its own)" in trained
    assert tested == " the same, but with S1 = 1."


def test_gpt2_reads_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "gpt2-patterns", "--prompts", "50", "--alpha", "0.5")
    risks = icl.evaluate(load_model("gpt2-patterns"), PATTERNS.replace(alpha=0.5), prompts=50)
    assert rows["value"].to_list() == pytest.approx([float(values.mean()) for values in risks])


def test_a_gpt2_of_numbers_that_does_not_tell_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["untold", "--prompts", "8", "--baseline", "none"]
    rows = rows_of(capsys, *words)
    found = icl.evaluate(load_model("untold"), LINEAR, prompts=8)  # 22 positions hold ten examples and a query
    assert errors_in(rows) == pytest.approx(found.mean.mean(dim=0).tolist())
    header = said(capsys, *words, "--noise", "1").splitlines()[0]
    assert "does not tell" in header
    assert header.endswith("Tested on linear functions, d_X = 5, length = 10, noise = 1.")


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_files_are_written_once(capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str) -> None:
    words = ["linear", "--prompts", "8", "--baseline", "none", "--out", f"rows.{ending}"]
    before = {path.name for path in tmp_path.iterdir()}
    said(capsys, *words)
    assert {path.name for path in tmp_path.iterdir()} - before == {f"rows.{ending}"}
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "json": pl.read_json}[ending]
    rows = read(f"rows.{ending}")
    assert rows.columns == FUNCTION_COLUMNS
    assert errors_in(rows) == pytest.approx(errors_in(rows_of(capsys, *words[:-2], out="again.parquet")))
    content = Path(f"rows.{ending}").read_bytes()
    refused(capsys, words, "--out", f"rows.{ending}", "exists")
    assert Path(f"rows.{ending}").read_bytes() == content


def test_a_file_that_appears_meanwhile_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from iclscope.cli import evaluate as command

    def slow(*arguments: Any, **settings: Any) -> pl.DataFrame:
        Path("rows.csv").write_text("mine")
        return icl.evaluation.error_table(*arguments, **settings)

    monkeypatch.setattr(command, "error_table", slow)
    assert main(["evaluate", "one", "--prompts", "8", "--out", "rows.csv"]) == 2
    output = capsys.readouterr()
    assert "exists" in output.err
    assert "least squares" in output.out  # what was computed is not lost
    assert Path("rows.csv").read_text() == "mine"


def test_a_run_that_diverged_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("linear", "patterns"):
        model = load_model(name)
        words = ["--prompts", "16", *(["--baseline", "none"] if name == "linear" else [])]
        rest = model.runs(range(1, model.run_count))
        rest.save_pretrained("rest")
        with torch.no_grad():
            for weight in model.parameters():
                weight[0] = torch.nan
        model.save_pretrained("diverged")
        rows = rows_of(capsys, "diverged", *words)
        assert rows.equals(rows_of(capsys, "rest", *words))
        assert f"1 of {model.run_count} runs left out" in said(capsys, "diverged", *words)
        model.run(0).save_pretrained("lost")
        assert set(rows_of(capsys, "lost", *words)["runs"]) == {0}
        output = said(capsys, "lost", *words)
        assert "–" in output
        assert "1 of 1 runs left out" in output
        said(capsys, "lost", *words, "--out", f"{name}.json")
        text = Path(f"{name}.json").read_text()
        assert {row["runs"] for row in json.loads(text)} == {0}
        assert "nan" not in text.lower()  # which is no JSON


BAD = {
    "": ["CHECKPOINT"],
    "nowhere": ["CHECKPOINT", "nowhere", "save_pretrained", "results/garg2022/checkpoints/linear-d5-seed0"],
    "results/garg2022/checkpoints/linear-d5-seed0": ["CHECKPOINT", "'iclscope reproduce garg2022' makes that one"],
    "linear/model.safetensors": ["CHECKPOINT", "model.safetensors", "file", "save_pretrained", "linear-d5-seed0"],
    ".": ["checkpoint", "config.json", "model.safetensors"],
    "linear one": ["one"],
    "linear --nosuch": ["--nosuch"],
    "linear --d-X 7": ["--d-X", "7", "5"],
    "linear --length 11": ["length", "11", "at most 10"],
    "linear --length -1": ["length", "-1"],
    "linear --length x": ["--length", "a whole number"],
    "linear --function nosuch": ["function", "nosuch", "linear", "sparse_linear", "decision_tree", "relu_network"],
    "linear --inputs nosuch": ["inputs", "nosuch", "gaussian", "skewed", "half_subspace", "orthants", "repeated_query"],
    "linear --baseline nosuch": ["--baseline", "nosuch", *REGRESSION_BASELINES],
    "linear --baseline none --baseline 3-NN": ["--baseline", "none"],
    "linear --noise nan": ["noise", "nan"],
    "linear --noise -1": ["noise", "-1"],
    "linear --noise inf": ["noise", "inf", "finite"],
    "linear --noise 1e300": ["noise", "1e+300"],
    "linear --x-scale 0": ["x_scale", "0", "positive"],
    "linear --x-scale nan": ["x_scale", "nan"],
    "linear --x-scale 1e300": ["x_scale", "1e+300"],
    "linear --y-scale -1": ["y_scale", "-1", "positive"],
    "linear --function quadratic --x-scale 1e14": ["f(x)", "x_scale"],
    "linear --inputs orthogonal_query --length 5": ["length", "5", "d_X"],
    "linear --inputs orthants --length 0": ["length", "0", "at least 1"],
    "linear --length 0": ["length", "0", "at least 1: without an example there is nothing to learn from in context"],
    "patterns --length 0": ["length", "0", "at least 1"],
    "linear --prompts 0": ["--prompts", "0", "at least 2"],
    "linear --prompts 1": ["--prompts", "1", "at least 2"],
    "linear --prompts -3": ["--prompts", "-3"],
    "linear --sparsity 2": ["--sparsity", "sparse_linear"],
    "linear --depth 2": ["--depth", "decision_tree"],
    "linear --function decision_tree --depth 0": ["depth", "0"],
    "linear --function sparse_linear --sparsity 6": ["sparsity", "6", "5"],
    "linear --width 3 --function decision_tree": ["--width", "relu_network"],
    "linear --alpha 0.5": ["--alpha", "functions", "--noise"],
    "linear --S1 1": ["--S1", "functions"],
    "linear --tasks all": ["--tasks", "functions"],
    "linear --beta 2": ["--beta", "functions"],
    "linear --K 1": ["--K", "functions"],
    "linear --device tpu": ["device", "tpu", "auto", "cpu", "cuda"],
    "linear --out rows.txt": ["--out", "rows.txt", ".parquet", ".csv", ".json"],
    "linear --out nowhere/rows.csv": ["--out", "nowhere", "folder"],
    "linear --out linear": ["--out", "linear", ".parquet"],
    "patterns --function linear": ["--function", "patterns", "--alpha"],
    "patterns --d-X 9": ["--d-X", "patterns"],
    "patterns --inputs skewed": ["--inputs", "patterns"],
    "patterns --x-scale 2": ["--x-scale", "patterns"],
    "patterns --y-scale 2": ["--y-scale", "patterns"],
    "patterns --noise 1": ["--noise", "patterns"],
    "patterns --sparsity 1": ["--sparsity", "patterns"],
    "patterns --depth 1": ["--depth", "patterns"],
    "patterns --width 1": ["--width", "patterns"],
    "patterns --seed 1": ["--seed", "patterns", "seeds trained on"],
    "patterns --baseline averaging": ["--baseline", "patterns"],
    "patterns --baseline none": ["--baseline", "patterns"],
    "patterns --alpha 1.5": ["alpha", "1.5"],
    "patterns --alpha nan": ["alpha", "nan"],
    "patterns --S1 1.5": ["S1", "1.5", "√2"],
    "patterns --S1 nan": ["S1", "nan"],
    "patterns --tasks nosuch": ["tasks", "nosuch", "training", "unseen", "all"],
    "patterns --S1 1 --tasks all": ["--tasks", "out-of-domain"],
    "patterns --beta 0": ["beta", "0"],
    "patterns --K -1": ["K", "-1"],
    "patterns --length -1": ["length", "-1"],
    "gpt2-patterns --length 7": ["length", "7", "at most 6"],
    "untold-patterns": ["trained_on", "None"],
}


def refused(capsys: pytest.CaptureFixture[str], words: list[str], *expected: str) -> None:
    assert main(["evaluate", *words]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("iclscope: ")
    assert output.err.endswith("\n")
    assert output.err.count("\n") == 1, output.err
    assert "Traceback" not in output.err
    assert [word for word in expected if not says(output.err, word)] == [], output.err


@pytest.mark.parametrize(("command", "words"), BAD.items(), ids=list(BAD))
def test_a_bad_request_is_refused_with_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, words: list[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(capsys, command.split(), *words)
    assert sorted(tmp_path.rglob("*")) == before, "something was written"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_model_without_positions_is_tested_beside_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    output = said(capsys, "linear-attention", "--length", "30", "--prompts", "20")
    assert output.startswith(
        "linear-attention: linear attention with 1 layer, 1 run (seed 0). Trained on linear functions"
    )
    assert re.search(r"examples +linear attention +90 % interval +least squares", output)


def test_a_task_that_only_python_knows(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["regression", "--alpha", "1"], "--alpha", "linear regression", "none")


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["linear", "--device", "cuda"], "device", "cuda", "auto", "cpu")


@pytest.mark.parametrize("kind", ["one", "one-patterns"])
def test_broken_checkpoints(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    shutil.copytree(kind, "broken")
    config, weights = Path("broken/config.json"), Path("broken/model.safetensors")
    text, data = config.read_text(), weights.read_bytes()
    for part in (0, 7, len(data) // 2, len(data) - 1):
        weights.write_bytes(data[:part])
        refused(capsys, ["broken"], "checkpoint", "broken", "cannot be read")
    weights.write_bytes(data)
    for content in (text[: len(text) // 2], "", "\0", '{"model"'):
        config.write_text(content)
        refused(capsys, ["broken"], "checkpoint", "broken", "cannot be read")
    config.write_bytes(b"\xff\xfe")
    refused(capsys, ["broken"], "checkpoint", "broken", "cannot be read")
    for content in ("[]", "null", json.dumps({**json.loads(text), "model": "BertModel"})):
        config.write_text(content)
        refused(capsys, ["broken"], "checkpoint", "broken", "GPT2Transformer", "SoftmaxReLUTransformer")
    config.write_text(json.dumps({**json.loads(text), "seeds": [9]}))
    refused(capsys, ["broken"], "checkpoint", "broken", "as it was saved")
    for path in (config, weights):
        path.unlink()
        refused(capsys, ["broken"], "checkpoint", "broken", "config.json and model.safetensors")
    refused(capsys, ["x" * 5000], "CHECKPOINT", "too long")


def test_nothing_is_computed_before_a_refusal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first context lengths of a sweep would fit; the longest does not."""
    monkeypatch.setattr(GPT2Transformer, "predict", lambda *_: pytest.fail("a prompt was read"))
    refused(capsys, ["linear", "--inputs", "orthants", "--length", "11"], "length", "11", "at most 10")
    refused(capsys, ["linear", "--out", "linear/config.json"], "--out", "exists")


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.startswith("Usage: iclscope evaluate")
    assert re.search(r"\S {2,}\S", output.out.partition("Arguments:")[0]) is None
    named = {option for command in BAD for option in command.split() if option.startswith("--")} - {"--nosuch"}
    text = " ".join(output.out.split())
    assert len(named) >= 20
    assert [word for word in ("CHECKPOINT", *named, *REGRESSION_BASELINES) if word not in text] == []
