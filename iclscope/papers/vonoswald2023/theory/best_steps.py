"""Losses of K steps over many tasks, and the rates that make them least."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from iclscope.core.errors import require
from iclscope.papers.vonoswald2023.theory.one_step import Rates

PUBLISHED_GAMMA = {10: 0.179, 25: 0.099, 50: 0.056, 100: 0.029}
"""γ of GD++ by the number of examples N, as the paper prints it."""


class Spectra(NamedTuple):
    """What K steps need to know of noiseless tasks, in the eigenvectors u_j of each task's S = (1/N) Σ x xᵀ.

    Attributes:
        eigenvalues: of S.
        parts: ⟨w, u_j⟩ ⟨u_j, x_query⟩, whose sum is the query's answer.
        length: N.
    """

    eigenvalues: NDArray[np.float64]
    parts: NDArray[np.float64]
    length: int


def spectra(x: Float[Tensor, "task length d"], w: Float[Tensor, "task d"], query: Float[Tensor, "task d"]) -> Spectra:
    """Spectra of tasks y = ⟨w, x⟩ without noise."""
    x, w, query = x.double(), w.double(), query.double()
    eigenvalues, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / x.shape[1])
    along_w, along_query = (torch.einsum("tdj,td->tj", vectors, vector) for vector in (w, query))
    return Spectra(eigenvalues.numpy(), (along_w * along_query).numpy(), x.shape[1])


def steps_loss(tasks: Spectra, *, eta: float, steps: int, gamma: float = 0.0) -> float:
    """Half the mean squared error of K steps over the tasks.

    All matrices of a task commute: a step multiplies what w lacks along u_j by 1 − ημ_j, and GD++ then maps μ_j to
    μ_j (1 − γNμ_j)², with μ_j the eigenvalue of S at first.
    """
    mu, left = tasks.eigenvalues, tasks.parts
    for _ in range(steps):
        left = left * (1 - eta * mu)
        mu = mu * (1 - gamma * tasks.length * mu) ** 2
    return 0.5 * float(np.mean(left.sum(axis=1) ** 2))


def line_search(tasks: Spectra, *, steps: int, plus: bool = False) -> Rates:
    """The one η, and for GD++ the one γ, that is best for all K steps (the paper: line search over 10⁴ tasks).

    Args:
        tasks: what to search on.
        steps: number of steps K.
        plus: whether γ is searched for too.

    Raises:
        BadRequest: if there is not at least one step.
    """
    require(steps >= 1, "steps", steps, "at least 1")
    mean, largest = float(tasks.eigenvalues.mean()), float(tasks.eigenvalues.max())
    # In units of 1/mean and 1/(N·largest), in which both rates are of order 1.
    unit_eta, unit_gamma = 1 / mean, 1 / (tasks.length * largest)

    def loss(rates: NDArray[np.float64]) -> float:
        return steps_loss(tasks, eta=float(rates[0]) * unit_eta, steps=steps, gamma=float(rates[1]) * unit_gamma)

    found = scipy.optimize.minimize_scalar(
        lambda eta: steps_loss(tasks, eta=eta * unit_eta, steps=steps),
        bounds=(0.0, 2.0),
        method="bounded",
        options={"xatol": 1e-6},
    )
    plain = Rates(float(found.x) * unit_eta, 0.0, float(found.fun))
    if not plus or steps == 1:  # what the last layer makes of x is not read
        return plain
    # Several starts, since there are local minima.
    starts = [(float(found.x), 0.2), (float(found.x), 0.8), (0.6 * float(found.x), 1.0)]
    searches = [
        scipy.optimize.minimize(loss, np.array(start), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
        for start in starts
    ]
    best = searches[int(np.argmin([search.fun for search in searches]))]
    eta, gamma = float(best.x[0]) * unit_eta, float(best.x[1]) * unit_gamma
    return Rates(eta, gamma, steps_loss(tasks, eta=eta, steps=steps, gamma=gamma))
