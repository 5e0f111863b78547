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
        start: the same in these coordinates.
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
            weights: W_Q, W_K, W_V and W_O, each with a run axis.
            dictionary: D of each run; its rows may be any vectors.
        """
        double = {name: weights[name].detach().to(torch.float64, copy=True) for name in NAMES}
        D = dictionary.double()
        columns = D.transpose(1, 2)
        Q = _basis(columns)
        E = _basis(torch.cat([double["W_Q"] @ columns, double["W_K"] @ columns], dim=2))
        F = _basis(torch.cat([double["W_V"] @ columns, double["W_O"].transpose(1, 2)], dim=2))
        start = {
            "W_Q": E.transpose(1, 2) @ double["W_Q"] @ Q,
            "W_K": E.transpose(1, 2) @ double["W_K"] @ Q,
            "W_V": F.transpose(1, 2) @ double["W_V"] @ Q,
            "W_O": double["W_O"] @ F,
        }
        return cls(D @ Q, Q.transpose(1, 2), E, F, double, start)

    def runs(self, indices: Sequence[int]) -> PatternCoordinates:
        """The coordinates of some of the runs."""
        chosen = list(indices)
        return PatternCoordinates(
            self.dictionary[chosen], self.right[chosen], self.query_left[chosen], self.value_left[chosen],
            {name: tensor[chosen] for name, tensor in self.weights.items()},
            {name: tensor[chosen] for name, tensor in self.start.items()},
        )  # fmt: skip

    def full(self, moved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The full weights that belong to weights in these coordinates."""
        change = {name: moved[name].detach().double() - self.start[name] for name in NAMES}
        E, F = self.query_left, self.value_left
        back = {
            "W_Q": E @ change["W_Q"] @ self.right,
            "W_K": E @ change["W_K"] @ self.right,
            "W_V": F @ change["W_V"] @ self.right,
            "W_O": change["W_O"] @ F.transpose(1, 2),
        }
        return {name: (self.weights[name] + back[name]).to(moved[name].dtype) for name in NAMES}


def _basis(columns: Float[Tensor, "run rows columns"]) -> Float[Tensor, "run rows rank"]:
    """Orthonormal columns that span at least the given ones: as many as there are, or as there are rows."""
    basis: Tensor = torch.linalg.qr(columns).Q
    return basis
