"""Out-of-domain patterns: ODR patterns mixed from the relevant ones, ODI patterns inside or outside their span.

Theorem 3.4 of Li 2024 asks for μ'_j = Σ_i k_{j,i} μ_i with coefficient sum S1 = Σ_i k_{j,i} ≥ 1 and for ν'_k in
span{ν}. Everything here may also break these conditions, to see what happens then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from iclscope.core.errors import require, require_finite
from iclscope.core.random_streams import RandomStream
from iclscope.core.settings import Settings
from iclscope.tasks.patterns.basis import PatternBasis, orthonormal_rows, pattern_basis

if TYPE_CHECKING:
    from iclscope.tasks.patterns.classification import PatternClassification

LARGEST_S1 = math.sqrt(2)
_TOLERANCE = 1e-6

Coefficients = tuple[tuple[float, ...], ...]


class CoefficientReport(NamedTuple):
    """How far a coefficient matrix is from giving orthogonal patterns of norm β.

    Attributes:
        sums: S1 of each row.
        norms: norm of each row, in units of β; 1 keeps the norm.
        largest_inner_product: largest |⟨row, other row⟩|, in units of β²; 0 keeps the patterns orthogonal.
    """

    sums: tuple[float, ...]
    norms: tuple[float, ...]
    largest_inner_product: float


def pair_coefficients(S1: float, M1: int, count: int | None = None) -> Coefficients:
    """Coefficients of ODR patterns with sum S1 on disjoint pairs (μ_{2j−1}, μ_{2j}).

    (S1 ± √(2 − S1²))/2 has sum S1 and norm 1, so the patterns are orthogonal and of norm β. Not in the paper's
    public material, which gives only S1 and M1' = 3; consistent with both.

    Args:
        S1: coefficient sum, |S1| ≤ √2.
        M1: number of in-domain relevant patterns.
        count: M1', number of ODR patterns, 2 … ⌊M1/2⌋; None means ⌊M1/2⌋.

    Raises:
        BadRequest: if the norm does not allow S1, or M1 has too few pairs.
    """
    require_finite([("S1", S1)])
    require(
        abs(S1) <= LARGEST_S1,
        "S1",
        S1,
        "|S1| ≤ √2 ≈ 1.414, the largest that two coefficients of norm 1 reach",
    )
    pairs = M1 // 2 if count is None else count
    require(
        2 <= pairs <= M1 // 2,
        "shift.M1",
        pairs,
        f"2 … {M1 // 2}, one ODR pattern per pair of the {M1} patterns",
    )
    root = math.sqrt(max(0.0, 2 - S1 * S1))
    rows = []
    for pair in range(pairs):
        row = [0.0] * M1
        row[2 * pair], row[2 * pair + 1] = (S1 + root) / 2, (S1 - root) / 2
        rows.append(tuple(row))
    return tuple(rows)


def coefficient_report(coefficients: Coefficients) -> CoefficientReport:
    """Sums, norms and largest inner product of the rows of a coefficient matrix."""
    rows = torch.tensor(coefficients, dtype=torch.float64)
    products = rows @ rows.T
    off_diagonal = products - torch.diag(products.diagonal())
    return CoefficientReport(
        sums=tuple(rows.sum(dim=1).tolist()),
        norms=tuple(products.diagonal().sqrt().tolist()),
        largest_inner_product=float(off_diagonal.abs().max()),
    )


class PatternShift(Settings):
    """How test patterns differ from the training ones.

    Exactly one of ``S1`` and ``coefficients`` is given.
    """

    S1: float | None = Field(None, description="coefficient sum on disjoint pairs of relevant patterns, |S1| ≤ √2")
    coefficients: Coefficients | None = Field(
        None, description="the matrix k of μ'_j = Σ_i k_{j,i} μ_i, one row per ODR pattern"
    )
    strict: bool = Field(
        True,
        description="refuse coefficient rows that are not orthonormal; False accepts them (see coefficient_report)",
    )
    M1: int | None = Field(None, description="number M1' of ODR patterns; None: ⌊M1/2⌋ for S1, else one per row")
    M2: int | None = Field(None, description="number M2' of ODI patterns; None: as many as in domain")
    irrelevant: Literal["inside", "outside"] = Field(
        "inside",
        description="ODI patterns: a random rotation inside span{ν}, or orthogonal to every in-domain pattern",
    )
    K: float | None = Field(None, ge=0, description="range of κ' ~ Uniform(−K', K'); None: the task's K")

    @property
    def title(self) -> str:
        """The shift in a few words."""
        return "shifted patterns" if self.S1 is None else f"S1 = {self.S1:g}"

    @field_validator("S1")
    @classmethod
    def _check_S1(cls, S1: float | None) -> float | None:
        if S1 is not None:
            pair_coefficients(S1, 4)
        return S1

    @model_validator(mode="after")
    def _check(self) -> PatternShift:
        require(
            (self.S1 is None) != (self.coefficients is None),
            "shift",
            self.S1,
            "exactly one of S1, coefficients",
        )
        require_finite([("shift.K", self.K)])
        if self.coefficients is not None:
            rows = self.coefficients
            require(len(rows) >= 2, "shift.coefficients", len(rows), "at least two rows, one per ODR pattern")
            require(len({len(row) for row in rows}) == 1, "shift.coefficients", rows, "rows of equal length")
            require_finite([("shift.coefficients", value) for row in rows for value in row])
            require(
                self.M1 in (None, len(rows)),
                "shift.M1",
                self.M1,
                f"{len(rows)}, the number of coefficient rows",
            )
            report = coefficient_report(rows)
            if self.strict:
                worst = max(report.norms, key=lambda norm: abs(norm - 1))
                require(abs(worst - 1) <= _TOLERANCE, "norm of a coefficient row", worst, "1 (or strict=False)")
                require(
                    report.largest_inner_product <= _TOLERANCE,
                    "inner product of coefficient rows",
                    report.largest_inner_product,
                    "0, orthogonal rows (or strict=False)",
                )
        return self

    def rows(self, M1: int) -> Coefficients:
        """The coefficient matrix for M1 in-domain relevant patterns.

        Raises:
            BadRequest: if the shift does not fit M1.
        """
        if self.S1 is not None:
            return pair_coefficients(self.S1, M1, self.M1)
        rows = self.coefficients or ()
        require(len(rows[0]) == M1, "length of a coefficient row", len(rows[0]), f"M1 = {M1}")
        return rows

    def check_room(self, M1: int, M2: int, d_X: int) -> None:
        """Refuse a shift that the in-domain patterns leave no room for.

        Raises:
            BadRequest: naming the number of patterns that fits.
        """
        self.rows(M1)
        count = M2 if self.M2 is None else self.M2
        room = M2 if self.irrelevant == "inside" else d_X - M1 - M2
        where = "dimensions of span{ν}" if self.irrelevant == "inside" else "dimensions outside all patterns"
        require(
            1 <= count <= room,
            f"shift.M2 ({self.irrelevant})",
            count,
            f"1 … {room}, the {where} with d_X = {d_X}",
        )


def shifted_basis(
    basis: PatternBasis,
    coefficients: Float[Tensor, "run M1_shifted M1"],
    irrelevant: Literal["inside", "outside"],
    M2: int,
    stream: RandomStream,
) -> PatternBasis:
    """The ODR and ODI patterns that belong to in-domain ones.

    Args:
        basis: the in-domain patterns.
        coefficients: k of μ'_j = Σ_i k_{j,i} μ_i.
        irrelevant: where the ODI patterns lie; always mutually orthogonal and of norm β.
        M2: number M2' of ODI patterns.
        stream: randomness of the ODI patterns.
    """
    beta = basis.relevant.norm(dim=2)[:, :1, None]
    if irrelevant == "inside":
        rotation = orthonormal_rows(stream, M2, basis.irrelevant.shape[1])
        shifted = rotation.to(basis.irrelevant) @ basis.irrelevant
    else:
        patterns = torch.cat([basis.relevant, basis.irrelevant], dim=1) / beta
        # The complement of the patterns: complete them to an orthonormal basis, then rotate what was added.
        complete = torch.linalg.qr(patterns.transpose(1, 2), mode="complete").Q.transpose(1, 2)
        complement = complete[:, patterns.shape[1] :]
        rotation = orthonormal_rows(stream, M2, complement.shape[1])
        shifted = rotation.to(complement) @ complement * beta
    return PatternBasis(coefficients.to(basis.relevant) @ basis.relevant, shifted, basis.label)


def bases_of(
    tasks: Sequence[PatternClassification], patterns: RandomStream, device: torch.device
) -> tuple[PatternBasis, PatternBasis]:
    """In-domain patterns of every run, and those that its prompts are made of: out-of-domain ones if it is shifted.

    Args:
        tasks: one per run, of equal ``shape``.
        patterns: the runs' streams for patterns.
        device: where patterns are made.
    """

    def per_run(values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    task = tasks[0]
    in_domain = pattern_basis(
        patterns,
        M1=task.M1,
        M2=task.M2,
        d_X=task.d_X,
        d_Y=task.d_Y,
        beta=per_run([task.beta for task in tasks]),
        q_norm=per_run([task.q_norm for task in tasks]),
    )
    if task.shift is None:
        return in_domain, in_domain
    coefficients = per_run([task.shift.rows(task.M1) for task in tasks if task.shift is not None])
    M2 = task.M2 if task.shift.M2 is None else task.shift.M2
    return in_domain, shifted_basis(in_domain, coefficients, task.shift.irrelevant, M2, patterns.at(2))
