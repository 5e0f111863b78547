"""Training in coordinates of the patterns: all that gradient descent can move, and nothing else.

On prompts of a dictionary D (patterns and q, one per row) the gradients of the four weights are

    ∂W_Q = W_K Dᵀ (…) D,    ∂W_K = W_Q Dᵀ (…) D,    ∂W_V = W_Oᵀ (…) D,    ∂W_O = (…) (W_V Dᵀ)ᵀ

so that on the right W_Q, W_K and W_V move within the rows of D (basis Q); on the left W_Q and W_K within the columns of
[W_Q Dᵀ, W_K Dᵀ] (basis E), W_V and W_O's rows within the columns of [W_V Dᵀ, W_Oᵀ] (basis F). A step leaves all of
these spans as they are. In these coordinates,

    w_Q = Eᵀ W_Q Qᵀ,    w_K = Eᵀ W_K Qᵀ,    w_V = Fᵀ W_V Qᵀ,    w_O = W_O F,    dictionary D Qᵀ,

the model answers the same, and because the bases are orthonormal, gradient descent is gradient descent: the small
model trains as the large one does, exactly. Adam, which acts entry by entry, is another rule in other coordinates. What
lies outside the spans stays what it was: W_Q = W_Q⁰ + E (w_Q − w_Q⁰) Q.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

NAMES = ("W_Q", "W_K", "W_V", "W_O")


@dataclass(frozen=True)
class PatternCoordinates:
    """Orthonormal bases of what can be moved, in double precision.

    Attributes:
        dictionary: D Qᵀ, the patterns and q in these coordinates.
        right: Q, as rows.
        query_left: E, as columns.
        value_left: F, as columns.
        weights: the full weights that were given.
        start: the same in these coordinates, rounded to their precision.
    """

    dictionary: Float[Tensor, "run n p"]
    right: Float[Tensor, "run p d"]
    query_left: Float[Tensor, "run m_a r"]
    value_left: Float[Tensor, "run m_b v"]
    weights: Mapping[str, Tensor]
    start: Mapping[str, Tensor]

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], dictionary: Float[Tensor, "run n d"]) -> PatternCoordinates:
        """Coordinates for training on from given weights.

        Args:
            weights: W_Q, W_K, W_V and W_O, each with a run axis; kept, not copied.
            dictionary: D of each run; its rows may be any vectors.
        """
        given = {name: weights[name].detach() for name in NAMES}
        # Run by run: a product of a batch may round otherwise than one of its members alone.
        per_run = [
            _of_one({name: tensor[run].double() for name, tensor in given.items()}, dictionary[run].double())
            for run in range(len(dictionary))
        ]
        D, Q, E, F, *start = (torch.stack(parts) for parts in zip(*per_run, strict=True))
        rounded = {name: tensor.to(given[name].dtype) for name, tensor in zip(NAMES, start, strict=True)}
        return cls(D, Q, E, F, given, rounded)

    def runs(self, indices: Sequence[int]) -> PatternCoordinates:
        """The coordinates of some of the runs."""
        chosen = list(indices)
        return PatternCoordinates(
            self.dictionary[chosen], self.right[chosen], self.query_left[chosen], self.value_left[chosen],
            {name: tensor[chosen] for name, tensor in self.weights.items()},
            {name: tensor[chosen] for name, tensor in self.start.items()},
        )  # fmt: skip

    def full(self, moved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The full weights that belong to weights in these coordinates; those of `start` are exactly those given."""
        change = {name: moved[name].detach().double() - self.start[name].double() for name in NAMES}
        E, F, Q = self.query_left, self.value_left, self.right
        back = {
            "W_Q": lambda run: E[run] @ change["W_Q"][run] @ Q[run],
            "W_K": lambda run: E[run] @ change["W_K"][run] @ Q[run],
            "W_V": lambda run: F[run] @ change["W_V"][run] @ Q[run],
            "W_O": lambda run: change["W_O"][run] @ F[run].T,
        }
        return {
            name: torch.stack([(given[run].double() + back[name](run)).to(given.dtype) for run in range(len(given))])
            for name, given in self.weights.items()
        }


def _of_one(weights: Mapping[str, Tensor], D: Float[Tensor, "n d"]) -> tuple[Tensor, ...]:
    """D Qᵀ, Q, E, F and the four weights of one run in these coordinates."""
    Q = _basis(D.T).T
    E = _basis(torch.cat([weights["W_Q"] @ D.T, weights["W_K"] @ D.T], dim=1))
    F = _basis(torch.cat([weights["W_V"] @ D.T, weights["W_O"].T], dim=1))
    w_Q, w_K, w_V = E.T @ weights["W_Q"] @ Q.T, E.T @ weights["W_K"] @ Q.T, F.T @ weights["W_V"] @ Q.T
    return D @ Q.T, Q, E, F, w_Q, w_K, w_V, weights["W_O"] @ F


def _basis(columns: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows rank"]:
    """Orthonormal columns that span at least the given ones: as many as there are, or as there are rows."""
    basis: Tensor = torch.linalg.qr(columns).Q
    return basis
