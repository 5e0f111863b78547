"""Judged claims as files for other programs: JSON, CSV for spreadsheets, TeX for papers."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from iclscope.claims.formats import format_region

if TYPE_CHECKING:
    # Types only: experiments draw with this room, so it must not import them when it is loaded.
    from iclscope.claims.claim import JudgedClaim

_COLUMNS = (
    *("paper", "figure", "id", "form", "statement", "source", "quantity", "expected_low", "expected_high", "estimate"),
    *(
        "interval_low",
        "interval_high",
        "verdict",
        "answer",
        "remark",
        "seeds",
        "missing_seeds",
        "control",
        "control_verdict",
    ),
)

_MATHS = {
    "≥": r"\ge", "≤": r"\le", "≈": r"\approx", "∝": r"\propto", "≳": r"\gtrsim", "→": r"\to", "−": "-", "±": r"\pm",
    "·": r"\cdot", "×": r"\times", "∞": r"\infty", "√": r"\surd", "‖": r"\|", "Σ": r"\Sigma", "∈": r"\in",
    "½": r"\frac12", "⟨": r"\langle", "⟩": r"\rangle", "∂": r"\partial", "Ω": r"\Omega", "Θ": r"\Theta", "Γ": r"\Gamma",
    "Λ": r"\Lambda", "⁻": "^{-}", "¹": "^{1}", "²": "^{2}", "³": "^{3}", "¼": r"\frac14", "ᵀ": r"^{\top}",
}  # fmt: skip
_ESCAPED = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": "$<$", ">": "$>$",
    "|": "$|$", "…": r"\ldots{}", "–": "--", "“": "``", "”": "''", "’": "'", "\u00a0": "~", "\u202f": r"\,",
}  # fmt: skip

_ACCENTS = {"\u0302": r"\hat", "\u0304": r"\bar", "\u0303": r"\tilde"}


def claims_files(claims: Sequence[JudgedClaim]) -> dict[str, str]:
    """The files that say what was judged, by name: ``claims.json``, ``claims.csv`` and ``claims.tex``."""
    text = json.dumps([claim.to_json() for claim in claims], indent=1, ensure_ascii=False)
    return {"claims.json": text + "\n", "claims.csv": claims_csv(claims), "claims.tex": claims_tex(claims)}


def claims_csv(claims: Sequence[JudgedClaim]) -> str:
    """One line per claim under a line of names; what is infinite or undefined is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for judged in claims:
        record = judged.to_json()
        (low, high), control = record["expected"], record["control"]
        record |= {"expected_low": low, "expected_high": high, "control": control["description"]}
        record |= {"interval_low": record["interval"][0], "interval_high": record["interval"][1]}
        record["control_verdict"] = control["verdict"]
        writer.writerow({name: record[name] for name in _COLUMNS})
    return text.getvalue()


def claims_tex(claims: Sequence[JudgedClaim]) -> str:
    """A table for LaTeX with the packages booktabs and longtable; a paper's claims first, then questions of ours."""
    lines = [
        r"% Needs \usepackage{amssymb,booktabs,longtable}.",
        r"\begin{longtable}{llp{.42\linewidth}rl}",
        r"\toprule",
        r"Claim & Form & Statement & Estimate & Verdict \\",
        r"\midrule",
        r"\endhead",
    ]
    ordered = sorted(claims, key=lambda judged: judged.is_ours)
    for before, judged in zip([None, *ordered], ordered, strict=False):
        if judged.is_ours and before is not None and not before.is_ours:
            lines.append(r"\midrule")
        cells = (
            judged.claim.id,
            judged.claim.form,
            f"{judged.claim.statement} Expected: {format_region(judged.claim.expected)}.",
            str(judged.estimate),
            judged.verdict if judged.answer is None else f"{judged.verdict}: {judged.answer}",
        )
        lines.append(" & ".join(map(escaped_for_tex, cells)) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


def escaped_for_tex(text: str) -> str:
    """A text that LaTeX sets as it stands, in ASCII."""
    found: list[str] = []
    for sign in unicodedata.normalize("NFD", text):
        if sign in _ACCENTS and found:  # it stands behind what it is put over
            found[-1] = f"${_ACCENTS[sign]}{{{found[-1].strip('$')}}}$"
        else:
            found.append(_sign(sign))
    return "".join(found)


def _sign(sign: str) -> str:
    if sign in _ESCAPED:
        return _ESCAPED[sign]
    if sign in _MATHS:
        return f"${_MATHS[sign]}$"
    name = unicodedata.name(sign, "")
    if name.startswith("GREEK SMALL LETTER "):
        return f"$\\{name.rpartition(' ')[2].lower()}$"
    return sign if sign.isascii() else f"[{name.lower() or 'sign'}]"
