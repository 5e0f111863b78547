"""What each MLP neuron reads (Proposition 4.2 of Li 2024), and the two groups they fall into (Theorem 3.7)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from iclscope.core.arguments import expect_instance
from iclscope.models.expected import expect_model_of
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternBasis, PatternPrompts


class NeuronAlignment(NamedTuple):
    """Rows of W_O W_V, one per neuron, compared with the directions that the theory predicts.

    Attributes:
        feature_cosine: cosine of the feature part (first d_X entries) with μ̄, the mean of the relevant patterns.
        feature_norm: norm of the feature part.
        label_cosine: cosine of the label part (last d_Y entries) with q; the theory says +1 where a_i > 0 and −1
            where a_i < 0.
        label_norm: norm of the label part.
    """

    feature_cosine: Float[Tensor, "run width"]
    feature_norm: Float[Tensor, "run width"]
    label_cosine: Float[Tensor, "run width"]
    label_norm: Float[Tensor, "run width"]


@torch.no_grad()
def neuron_alignment(model: SoftmaxReLUTransformer, basis: PatternBasis) -> NeuronAlignment:
    """Cosines and norms of both parts of every row of W_O W_V.

    Args:
        model: the runs.
        basis: their in-domain patterns.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("basis", basis, PatternBasis)
    rows = model.W_O @ model.W_V
    d_X = model.configs[0].d_X
    feature, label = rows[..., :d_X], rows[..., d_X:]
    mean_pattern = basis.relevant.mean(dim=1).to(rows)
    return NeuronAlignment(
        feature_cosine=torch.cosine_similarity(feature, mean_pattern[:, None], dim=2),
        feature_norm=feature.norm(dim=2),
        label_cosine=torch.cosine_similarity(label, basis.label.to(rows)[:, None], dim=2),
        label_norm=label.norm(dim=2),
    )


def large_neurons(norms: Float[Tensor, "run width"]) -> Bool[Tensor, "run width"]:
    """Split the rows of W_O into a large and a small group by the order of their norms: two-means of log ‖·‖, per run.

    Theorem 3.7 tells the groups apart by order of magnitude, hence the logarithm: on the norms themselves two-means
    cuts through the large group wherever few neurons stayed small.

    Args:
        norms: ‖W_O(i,·)‖ of each neuron.

    Returns:
        True for the neurons of the group with the larger centre. Where there is only one group, because all norms are
        equal, all are in it; where a run has diverged, none is.
    """
    # scikit-learn fits one data set at a time.
    return torch.stack([_large(run.detach().double().cpu()) for run in norms]).to(norms.device)


def _large(norms: Float64[Tensor, " width"]) -> Bool[Tensor, " width"]:
    """The larger group of one run."""
    # Importing scikit-learn takes more than a second, and most commands do without.
    from sklearn.cluster import KMeans

    if not bool(norms.isfinite().all()):
        return torch.zeros(len(norms), dtype=torch.bool)
    positive = norms > 0
    orders = norms[positive].log()
    if len(set(orders.tolist())) < 2:
        return positive
    fit = KMeans(n_clusters=2, n_init=4, random_state=0).fit(orders[:, None].numpy())
    large = positive.clone()
    large[positive] = torch.from_numpy(fit.labels_ == int(fit.cluster_centers_[:, 0].argmax()))
    return large


@torch.no_grad()
def preactivations(model: SoftmaxReLUTransformer, basis: PatternBasis) -> Float64[Tensor, "run width pattern"]:
    """W_O W_V (μ'_j; sign(a_i)·q) of every neuron i and relevant pattern j, before the ReLU.

    It is what the neuron gets where all attention lies on columns of one pattern with the label that it votes for.

    Args:
        model: the runs.
        basis: the patterns to look at, in or out of domain.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("basis", basis, PatternBasis)
    rows = (model.W_O @ model.W_V).double()
    d_X = model.configs[0].d_X
    feature = rows[..., :d_X] @ basis.relevant.to(rows).transpose(1, 2)
    label = (rows[..., d_X:] * basis.label.to(rows)[:, None]).sum(dim=2)
    before: Tensor = feature + (model.a.sign().to(rows) * label)[..., None]
    return before


@torch.no_grad()
def lucky_neurons(model: SoftmaxReLUTransformer, prompts: PatternPrompts) -> Bool[Tensor, "run width"]:
    """Neurons that are active, on the whole, where they can help: on prompts whose label has the sign of their a_i.

    The proof calls a neuron lucky if its ReLU is active at the start. Whether it is differs from prompt to prompt; here
    (ours) its mean pre-activation over the prompts with its sign decides.

    Args:
        model: the runs, at their initial values.
        prompts: training prompts of each run.
    """
    expect_model_of(SoftmaxReLUTransformer, model)
    expect_instance("prompts", prompts, PatternPrompts)
    before = prompts.weighted_sum(model.predict(prompts).attention, model.W_O @ model.W_V)
    of_sign = (prompts.labels[..., None] == model.a.sign()[:, None]).to(before)
    return (before * of_sign).sum(dim=1) > 0
