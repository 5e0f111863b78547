"""Watch the four phases of a rare feature: scores and attention of softmax attention beside a dominant feature.

Run: python examples/phases.py [seeds]
"""

import sys

import torch

import iclscope as icl

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
eta, epsilon = 0.5, 0.1

task = icl.tasks.OrthonormalFeatures(K=10, d_X=10, length=160, dominant=0.5, expectation="counts")
model = icl.models.SoftmaxAttention(d_X=task.d_X, seeds=seeds)
sampler = task.sampler(model.seeds)
contexts = sampler.prompts(256, purpose="evaluation")

record = icl.training.Probe(lambda current, _runs: {"Q": current.Q.detach().clone()}, steps=range(0, 601, 10))
trained = icl.train(model, task, optimizer="sgd", learning_rate=eta, steps=600, batch_size=16, probe=record)
scores = icl.mechanism.feature_scores(trained.trajectory["Q"], sampler.features)
attention, loss = icl.mechanism.query_means(scores, contexts.counts)


def rare(values: torch.Tensor) -> list[float]:
    """The mean over seeds and over the rare features, all but the first."""
    return values[..., 1:].mean(dim=(0, 2)).tolist()


A, B = rare(scores.diagonal(dim1=2, dim2=3)), rare(scores[..., 0])
own, dominant = rare(attention.diagonal(dim1=2, dim2=3)), rare(attention[..., 0])
print("step    A_k   B_k,1   attention: own   dominant")
for i in range(0, len(A), 6):
    print(f"{trained.recorded_at[i]:4d}  {A[i]:5.2f}   {B[i]:5.2f}   {own[i]:14.2f}   {dominant[i]:8.2f}")

phases = icl.mechanism.under_represented_phases(
    trained.recorded_at,
    own_score=A,
    dominant_score=B,
    own_attention=own,
    dominant_attention=dominant,
    loss=rare(loss),
    epsilon=epsilon,
)
flow = icl.theory.huang2024.times_of_flow(task.feature_probabilities, 1, epsilon)
print("phases end at steps " + ", ".join(f"{end:.0f}" for end in phases))
print(f"gradient flow in long prompts: the last two at {flow.half / eta:.0f}, {flow.converged / eta:.0f}")
