"""Calls from Python that mean something else: one line that says what was expected, before any work.

In a process of its own, because shapes and types are checked in this one, and nobody's own Python does that.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest

PREPARED = """
import json, sys
import numpy as np, polars as pl, torch
import iclscope as icl
from iclscope.baselines import Baseline
from iclscope.evaluation import baseline_errors_by_length, error_table, errors_by_length
from iclscope.mechanism import attention_concentration, layer_attention, neuron_alignment, projections, rescaled
from iclscope.models import GPT2Transformer, LinearAttention, SoftmaxReLUTransformer
from iclscope.pruning import kept_neurons, magnitude
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification
from iclscope.training import Probe
from iclscope.training.trained import TrainedGroup

task = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
functions = FunctionClass(d_X=3, length=4)
model = SoftmaxReLUTransformer(seeds=2, d_X=5, d_Y=2, width=4)
gpt2 = GPT2Transformer(seeds=2, d_X=3, layers=1, heads=2, embedding=8, positions=16)
prompts = task.sampler([0, 1]).prompts(2, purpose="test")
result = icl.train(model, task, steps=1, batch_size=2)

class Mine(torch.nn.Module):
    def forward(self, prompts):
        return prompts.labels

class Wide(torch.nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.layer = torch.nn.Linear(width, 1)
    def forward(self, tokens):
        return self.layer(tokens)

wide = icl.models.from_module("wide", Wide, tokens="columns", hidden=2)(seeds=2, d_X=3)
linear = icl.tasks.LinearRegression(d_X=3, length=4)
group = TrainedGroup([icl.Trial(), icl.Trial(seed=1)], model, [], {}, [-1, -1], [-1, -1])
rows = pl.DataFrame({"arm": ["trained", "untrained"], "seed": [0, 0], "error": [0.1, 1.0]})

def claim(**changes):
    settings = dict(id="a", form="exact", statement="s", source="Section 2", quantity="q", expected=icl.Region(high=1),
                    reason="r", estimate=lambda rows: 0.5, control=icl.Control("u", "untrained"))
    return icl.Claim(**settings | changes)

def figure(**changes):
    settings = dict(name="mine", title="t", caption="c", position=1, trials=len, measure=len, claims=(), draw=len,
                    finding=str)
    return icl.Experiment(**settings | changes)

def said(call):
    try:
        eval(call)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["nothing", ""]

print(json.dumps({call: said(call) for call in json.loads(sys.argv[1])}))
"""

A_MODEL = "model: expected a model of iclscope.models, got "
A_TASK = "task: expected a task of iclscope.tasks, or a list of one per run, got "
CALLS = {
    # swapped
    "icl.train(task, task)": f"{A_MODEL}a PatternClassification; the order is train(model, task)",
    "icl.evaluate(task, model)": f"{A_MODEL}a PatternClassification; the order is evaluate(model, task)",
    "error_table(functions, gpt2)": f"{A_MODEL}a FunctionClass; the order is error_table(model, task)",
    "errors_by_length(functions, gpt2)": f"{A_MODEL}a FunctionClass; the order is errors_by_length(model, task)",
    "icl.evaluate(model, [task, model])": f"{A_TASK}a SoftmaxReLUTransformer; the order is evaluate(model, task)",
    "attention_concentration(prompts, model)": "model: expected a SoftmaxReLUTransformer, got a PatternPrompts",
    # no model, no task
    "icl.train(torch.nn.Linear(2, 2), task)": f"{A_MODEL}a Linear; a module of your own becomes one by",
    "icl.evaluate(Mine(), task)": f"{A_MODEL}a Mine; a module of your own becomes one by iclscope",
    "icl.train(result, task)": f"{A_MODEL}a TrainingResult; its .model is one",
    "icl.evaluate(Baseline('1-NN'), task)": f"{A_MODEL}a Baseline; a baseline answers by itself",
    "icl.evaluate(SoftmaxReLUTransformer, task)": f"{A_MODEL}the class SoftmaxReLUTransformer; make one, as Soft",
    "icl.evaluate(None, task)": f"{A_MODEL}None",
    "icl.evaluate('results/model', task)": f"{A_MODEL}'results/model'",
    "icl.train(model, PatternClassification)": f"{A_TASK}the class PatternClassification; make one, as Pattern",
    "icl.train(model, 'li2024')": f"{A_TASK}'li2024'",
    "icl.train(model, {'kind': 'patterns'})": f"{A_TASK}a dict",
    "icl.train(model, 3)": f"{A_TASK}3",
    "icl.train(model, [task])": "number of tasks: expected one, or one per seed, 2",
    "icl.evaluation.risks_on(result, prompts)": f"{A_MODEL}a TrainingResult",
    # words
    "icl.train(model, task, loss='mse')": "loss: expected 'hinge' or 'squared', got 'mse'",
    "icl.train(model, task, loss=torch.nn.MSELoss())": "loss: expected 'hinge' or 'squared', got a MSELoss",
    "icl.train(gpt2, functions, loss='hinge')": "loss: expected squared, where answers are r",
    "icl.train(model, task, optimizer='adamw')": "optimizer: expected 'sgd' or 'adam' or 'muon', got 'adamw'",
    "icl.train(model, task, optimizer='AdamW', learning_rate=0.1)": "optimizer: expected 'sgd' or 'adam' or 'muon',",
    "icl.train(model, task, schedule='curriculum')": "schedule: expected a Curriculum or LengthPerStep, got 'curri",
    "icl.train(model, task, probe=lambda m, r: {})": "probe: expected a Probe, got a function",
    "icl.train(model, task, rate_decay='no')": "rate_decay: expected True or False, got 'no'",
    # numbers
    "icl.train(model, task, steps=2.5)": "steps: expected a whole number, got 2.5",
    "icl.train(model, task, steps='9')": "steps: expected a whole number, got '9'",
    "icl.train(model, task, batch_size=0)": "batch_size: expected at least 1",
    "icl.train(model, task, learning_rate='0.1')": "learning_rate: expected a number, got '0.1'",
    "icl.train(model, task, learning_rate=[0.1, None])": "learning_rate: expected a number, got None",
    "icl.train(model, task, steps=4, probe=Probe(len, {9}))": "steps of the probe: expected 0 to",
    "icl.evaluate(model, task, prompts='9')": "prompts: expected a whole number, got '9'",
    "icl.evaluate(model, task, prompts=2.0)": "prompts: expected a whole number, got 2.0",
    "error_table(gpt2, functions, prompts='9')": "prompts: expected a whole number, got '9'",
    "error_table(gpt2, functions, processes=0)": "processes: expected at least 1",
    # seeds
    "SoftmaxReLUTransformer(seeds='2')": "seeds: expected a number of runs or a list of seeds, whole numbers, got '2'",
    "GPT2Transformer(seeds='2')": "seeds: expected a number of runs or a list of seeds, whole numbers, got '2'",
    "LinearAttention(seeds=[0, '1'])": "seeds: expected a whole number, got '1'",
    "icl.evaluate(model, task, seeds='2')": "seeds: expected a number of runs or a list of seeds, whole numbers, got",
    "icl.evaluate(model, task, seeds=[])": "seeds: expected at least one run, got an empty list",
    "icl.evaluate(model, task, seeds=[1, 2, 3])": "number of seeds: expected one per run, 2",
    "error_table(gpt2, functions, seeds='23')": "seeds: expected a number of runs or a list of seeds, whole numbers",
    "task.sampler('2')": "seeds: expected a number of runs or a list of seeds, whole numbers, got '2'",
    "functions.sampler(None)": "seeds: expected a number of runs or a list of seeds, whole numbers, got None",
    "icl.reproduce('li2024', seeds='2')": "seeds: expected a whole number, got '2'",
    "icl.reproduce('li2024', seeds=2.0)": "seeds: expected a whole number, got 2.0",
    # without examples
    "icl.evaluate(model, task.replace(length=0))": "length: expected at least 1",
    "icl.evaluate(gpt2, functions.replace(length=0))": "length: expected at least 1",
    "error_table(gpt2, functions.replace(length=0))": "length: expected at least 1",
    "error_table(model, task.replace(length=(0, 0)))": "length: expected at least 1",
    # what would be taken apart, or be ignored
    "error_table(gpt2, functions, baselines='3-NN')": "baselines: expected a list of names of baselines, got '3-NN'",
    "baseline_errors_by_length('3-NN', functions, [0])": "names: expected a list of names of baselines, got '3-NN'",
    "baseline_errors_by_length(['4-NN'], functions, [0])": "names: expected 'least squares' or ",
    "errors_by_length(gpt2, functions, lengths=3)": "lengths: expected a list of context lengths, got 3",
    "errors_by_length(gpt2, task)": "task: expected a task that is judged by squared errors, as FunctionClass, got a ",
    "icl.evaluate(model, task, neurons=[True] * 4)": "neurons: expected a Tensor, got a list",
    "icl.evaluate(model, task, neurons=torch.ones(4).bool())": "shape and type of neurons: expected (2, 4), runs",
    "icl.evaluate(model, task, neurons=torch.ones(2, 4))": "shape and type of neurons: expected (2, 4), runs",
    "SoftmaxReLUTransformer(dtype='float32')": "dtype: expected torch.float32 or float64, got 'float32'; give",
    "GPT2Transformer(dtype=torch.int64)": "dtype: expected torch.float32 or float64, got 'torch.int64'",
    "LinearAttention(device='gpu')": "device: expected a device of PyTorch, as 'cpu', got 'gpu'",
    "GPT2Transformer({'d_X': 3})": "config: expected a GPT2TransformerConfig, got a dict",
    "SoftmaxReLUTransformer(configs=3)": "configs: expected a list of configs, one per run, got 3",
    "task.sampler([0]).prompts(2.5, purpose='test')": "batch: expected a whole number, got 2.5",
    "functions.sampler([0]).prompts(0, purpose='test')": "batch: expected at least 1",
    "icl.evaluation.changed_task(task)": f"{A_MODEL}a PatternClassification; the order is changed_task(model, …)",
    # frames and claims
    "icl.judge(3, [])": "rows: expected a data frame of polars or pandas, or a pyarrow.Table, got 3",
    "icl.judge(icl.evaluate(model, task, prompts=8).to_frame(), [])": "rows: expected a column 'arm'",
    "icl.judge(result.to_frame().rename({'seed': 'arm'}), [3])": "claims: expected a Claim, or several, got 3",
    "result.to_frame('excel')": "kind: expected 'polars' or 'pandas' or 'arrow', got 'excel'",
    "icl.reproduce(3)": "paper: expected the name of a paper, a Paper or an Experiment, got 3",
    "icl.sweep({'papr': 'li2024'})": "papr = 'li2024': no such setting; known: name",
    "icl.log_to(None)": "tracker: expected a SummaryWriter, a run of W&B, or the module trackio, got None",
    "claim(expected=(0, 1))": "claim 'a': expected: expected an iclscope.Region(low, high), got a tuple",
    "claim(control='untrained')": "claim 'a': control: expected an iclscope.Control, which must fail, got 'untrained'",
    "claim(estimate=0.5)": "claim 'a': estimate: expected a function of rows, got 0.5",
    "icl.judge(rows, claim())": "claim 'a': estimate: expected an Interval or a ForAll, got 0.5; over_seeds and",
    "figure(claims=claim())": "figure 'mine': claims: expected a tuple of Claims, got a Claim; of one",
    # trials, rows and modules of one's own
    "icl.Trial(task=linear, model=wide)": "model: expected a ModelConfig, or settings with its kind, got a Wide; a "
    "trial has its settings: WideConfig(…), its config_type",
    "icl.Trial(task=icl.tasks.LinearRegression)": "task: expected a task, or settings with its kind, got the class",
    "group.rows(arm='trained', error=torch.ones(2, 1))": "shape of error: expected (2,), a value per run, got (2, 1); "
    "choose one number per run, as [:, 0] does",
    "group.rows(arm='trained', error=[1.0])": "number of error: expected 2, a value per run, got 1",
    "icl.train(wide, linear)": "shape of what the module gives: expected (256, 5), a number per token, or (256,), one "
    "per prompt, got (256, 5, 1); [..., 0] takes the last axis off",
    "icl.models.from_module('own', Wide(4, 2))": "make: expected a class of modules, or a function, got a Wide",
    "icl.models.from_module('own', Wide)": "make: expected what takes (width), got the class Wide with (width",
    "icl.models.from_module('own', Wide, depth=2)": "make: expected what takes (width, depth), got the class Wide",
    # mechanism, pruning, baselines: what is about one model only
    "attention_concentration(gpt2, prompts)": "model: expected a SoftmaxReLUTransformer, got a GPT2Transformer",
    "attention_concentration(result, prompts)": "model: expected a SoftmaxReLUTransformer, got a TrainingResult",
    "attention_concentration(model, task)": "prompts: expected a PatternPrompts, got a PatternClassification",
    "projections(gpt2, prompts)": "model: expected a SoftmaxReLUTransformer, got a GPT2Transformer",
    "neuron_alignment(model, task)": "basis: expected a PatternBasis, got a PatternClassification",
    "layer_attention(model, prompts)": "model: expected a GPT2Transformer, got a SoftmaxReLUTransformer",
    "rescaled(gpt2)": "model: expected a LinearAttention, got a GPT2Transformer",
    "magnitude(gpt2)": "model: expected a SoftmaxReLUTransformer, got a GPT2Transformer",
    "magnitude(result)": "model: expected a SoftmaxReLUTransformer, got a TrainingResult",
    "kept_neurons(magnitude(model), '0.5', 'smallest')": "pruning rate: expected a number, got '0.5'",
    "kept_neurons(model, 0.5, 'smallest')": "scores: expected a Tensor, got a SoftmaxReLUTransformer",
    "Baseline(3)": "name: expected ",
    "Baseline('1-NN').predict(task)": "prompts: expected prompts of a task, got a PatternClassification",
    "icl.baselines.classifier_outputs('1-NN', prompts)": "names: expected a list of names of baselines, got '1-NN'",
}  # fmt: skip


@functools.cache
def answers() -> dict[str, list[str]]:
    """What each call said: the name of its error, and the message."""
    ended = subprocess.run(
        [sys.executable, "-c", PREPARED, json.dumps(list(CALLS))],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, list[str]] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_means_something_else_is_refused_in_one_line(call: str) -> None:
    error, message = answers()[call]
    assert (error, message[: len(CALLS[call])]) == ("BadRequest", CALLS[call])
    assert "\n" not in message
