"""Does a small GPT-2 learn linear functions in context, as least squares does? Train it for a minute and look.

Run: python examples/linear_functions.py [seeds] [steps]
"""

import sys

import iclscope as icl
from iclscope.baselines.regression import baseline_errors
from iclscope.training import Curriculum

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 300

task = icl.tasks.FunctionClass(function="linear", d_X=2, length=4)
config = icl.models.GPT2TransformerConfig.of_size("tiny", d_X=task.d_X, positions=2 * task.points)
model = icl.models.GPT2Transformer(config, seeds=seeds)
curriculum = Curriculum(dimensions=1, length=2, every=max(1, steps // 6))
trained = icl.train(model, task, steps=steps, batch_size=64, schedule=curriculum, rate_decay=True).model

errors = icl.evaluate(trained, task, prompts=1280)
(prompts,) = icl.evaluation.function_prompts(task, trained.seeds, 1280)
squares = baseline_errors(["least squares"], prompts.inputs, prompts.answers, errors.lengths)["least squares"]
print(f"squared error after {steps} steps (1 = predicting 0), mean over {seeds} seeds")
print("examples   GPT-2   least squares   expected of least squares")
for k in errors.lengths:
    own, other = errors.mean[:, k].mean().item(), squares[..., k].mean().item() / task.scale
    print(f"{k:8d}   {own:5.2f}   {other:13.2f}   {icl.theory.garg2022.least_squares_error(k=k, d=task.d_X):25.2f}")
