"""Which MLP neurons can go? Remove them smallest first, at random and largest first.

Run: python examples/pruning.py [seeds]
"""

import sys

import iclscope as icl

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 4

task = icl.tasks.PatternClassification()
model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, width=40, seeds=seeds)
trained = icl.train(model, task, steps=200).model
scores = icl.pruning.magnitude(trained)

print("removed   " + "   ".join(f"{method:>8}" for method in icl.pruning.METHODS) + "   (hinge risk on unseen tasks)")
for rate in (0.0, 0.1, 0.2, 0.3, 0.4):
    risks = []
    for method in icl.pruning.METHODS:
        kept = icl.pruning.kept_neurons(scores, rate, method, seeds=trained.seeds)
        test = task.replace(tasks="unseen")
        risks.append(icl.evaluate(trained, test, prompts=2048, neurons=kept).hinge_risk.mean().item())
    print(f"{rate:7.0%}   " + "   ".join(f"{risk:8.4f}" for risk in risks))
