"""How far may test patterns differ from the training ones? Risk against the coefficient sum S1.

Run: python examples/out_of_domain.py [seeds]
"""

import sys

import iclscope as icl

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 8

task = icl.tasks.PatternClassification()
model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, seeds=seeds)
trained = icl.train(model, task, steps=200)

print("  S1   hinge risk   95 % interval over seeds")
for S1 in (-0.5, 0.0, 0.5, 1.0, 1.2, 1.4):
    test = task.replace(shift=icl.tasks.PatternShift(S1=S1))
    risks = icl.evaluate(trained.model, test, prompts=2048)
    mean = icl.evaluation.mean_interval(risks.hinge_risk.tolist())
    print(f"{S1:5.1f}   {mean.value:8.4f}     [{mean.low:.4f}, {mean.high:.4f}]")
