"""Watch a transformer learn where to look: attention and hinge risk over training, on tasks it has not seen.

Run: python examples/mechanism.py [seeds]
"""

import sys

import iclscope as icl

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 4

task = icl.tasks.PatternClassification()
model = icl.models.SoftmaxReLUTransformer(d_X=task.d_X, d_Y=task.d_Y, seeds=seeds)


def look(current, _runs):
    """What to record: one number per run."""
    prompts = task.replace(tasks="unseen").sampler(current.seeds).prompts(512, purpose="evaluation")
    return {
        "attention": icl.mechanism.attention_concentration(current, prompts),
        "hinge risk": icl.evaluation.risks_on(current, prompts).hinge_risk,
    }


trained = icl.train(model, task, steps=200, probe=icl.training.Probe(look, steps=range(0, 201, 20)))
print("step   attention on the query's pattern   hinge risk")
for i, step in enumerate(trained.recorded_at):
    attention, risk = (trained.trajectory[name][:, i].mean().item() for name in ("attention", "hinge risk"))
    print(f"{step:4d}   {attention:32.3f}   {risk:10.3f}")
