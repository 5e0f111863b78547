"""The page's formulas, conditions and claims are the library's."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from playground.library_numbers import STANDARD, training_task
from playground.tools import in_node

from iclscope.claims.claim import Claim
from iclscope.models import SoftmaxReLUConfig
from iclscope.papers.li2024 import theory as li2024
from iclscope.papers.li2024.conditions import theorem_conditions
from iclscope.papers.li2024.constants import CONSTANTS, TESTING_CONSTANT
from iclscope.study.experiment import experiments_of
from iclscope.training.trial import Training, Trial

LAWS = ("steps", "length", "width", "batch")
FOUND = """(library, many) => many.map((settings) => ({
  laws: library.laws(settings), prescribed: library.prescribed(settings), share: library.smallestTaskShare(settings),
  cost: library.pruningBoundSmall(settings), norm: library.smallNeuronNorm(settings),
  out: library.oodGeneralizes(settings),
  conditions: library.conditions(settings, settings.stepsTaken), lines: library.theoryLines(settings),
  lengthTest: library.theoryLines(settings).lengthTest(settings.alpha_test), constants: library.CONSTANTS,
}))"""


def drawn(count: int) -> list[dict[str, Any]]:
    """Settings anywhere within the page's ranges."""
    dice = random.Random(20)
    many = []
    for _ in range(count):
        M1 = dice.randint(6, 12)
        tasks = dice.choice(["cycle", "all", "broken", *(f"share-{k}" for k in range(2, M1 - 1))])
        own = {
            "alpha": dice.uniform(0.01, 1), "alpha_test": dice.uniform(0.01, 1), "M1": M1, "M2": dice.randint(1, 48),
            "beta": dice.uniform(0.25, 4), "K": dice.uniform(0, 1), "delta": dice.uniform(0, 0.4), "tasks": tasks,
            "eta": dice.uniform(0.01, 3), "S1": dice.uniform(-1.4, 1.4), "length": dice.randint(1, 100),
            "length_test": dice.randint(1, 100), "width": dice.randint(1, 256), "batch": dice.randint(1, 1024),
        }  # fmt: skip
        many.append({**STANDARD, **own, "stepsTaken": dice.randint(0, 5000)})
    return many


@pytest.fixture(scope="module")
def settings() -> list[dict[str, Any]]:
    return drawn(500)


@pytest.fixture(scope="module")
def found(settings: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = in_node(tmp_path_factory.mktemp("theory"), FOUND, settings)
    return answers


def test_formulas(settings: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    def near(value: float) -> Any:
        return pytest.approx(value, rel=1e-12)

    for given, answer in zip(settings, found, strict=True):
        alpha, beta, M1, eta = (given[name] for name in ("alpha", "beta", "M1", "eta"))
        wanted = {
            "steps": li2024.training_steps(eta=eta, alpha=alpha, beta=beta, M1=M1),
            "length": li2024.training_length(alpha=alpha, beta=beta, M1=M1),
            "width": li2024.width(M1=M1),
            "batch": li2024.batch_size(epsilon=0.1, M1=M1),
            "length_test": li2024.testing_length(alpha_test=given["alpha_test"]),
        }
        constants = {**CONSTANTS._asdict(), "length_test": TESTING_CONSTANT}
        assert answer["constants"] == near(constants)
        assert answer["laws"] == near(wanted)
        assert answer["prescribed"] == near({name: constants[name] * law for name, law in wanted.items()})
        assert answer["share"] == near(li2024.smallest_task_share(M1=M1))
        assert answer["cost"] == answer["lines"]["costOfSmall"] == near(li2024.pruning_bound_small(epsilon=0.1, M1=M1))
        assert answer["norm"] == answer["lines"]["smallNorm"] == near(li2024.small_neuron_norm(M2=given["M2"]))
        assert answer["out"] == li2024.ood_generalizes(S1=given["S1"], irrelevant_in_span=True)
        assert answer["lines"]["steps"] == answer["prescribed"]["steps"]
        assert answer["lengthTest"] == near(constants["length_test"] / given["alpha_test"])
        promised = li2024.guarantees(eta=min(eta, 1.0)).attention
        assert answer["lines"]["attention"] == (near(promised) if eta < 1 else None)


def test_conditions(settings: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    for given, answer in zip(settings, found, strict=True):
        task = training_task(given)
        trial = Trial(
            task=task,
            model=SoftmaxReLUConfig(d_X=task.d_X, width=given["width"], delta=given["delta"]),
            training=Training(steps=given["stepsTaken"], batch_size=given["batch"], learning_rate=given["eta"]),
        )
        wanted = theorem_conditions(trial)
        decided = [condition for condition in wanted if condition.met is not None]
        own = {condition["id"]: condition for condition in answer["conditions"]}
        assert [own[name]["met"] for name in ("tasks", "eta", "beta", "kappa", "delta")] == [one.met for one in decided]
        for name, one in zip(LAWS, wanted[len(decided) :], strict=True):
            assert own[name]["constant"] == pytest.approx(one.constant, rel=1e-12)
            assert own[name]["value"] / own[name]["needed"] == pytest.approx(one.multiple / one.constant, rel=1e-12)
            assert own[name]["met"] == (one.multiple >= one.constant)
        assert own["S1"]["met"] == (given["S1"] >= 1)
        assert own["length_test"]["met"] == (given["length_test"] >= TESTING_CONSTANT / given["alpha_test"])


CLAIMED = """(library, settings) => {
  const run = new library.Run(settings, 0);
  for (let step = 0; step < 100; step++) run.step(step, settings.eta);
  const { row, neurons, pruning } = run.record(100, settings.eta, true);
  return { claims: library.claimsNow(settings, row, pruning, neurons), row, neurons, pruning };
}"""


def known_claims() -> dict[str, Claim]:
    """All claims of the paper by their ids."""
    return {claim.id: claim for experiment in experiments_of("li2024") for claim in experiment.claims}


def test_claims_are_the_library_s(tmp_path: Path) -> None:
    found = in_node(tmp_path, CLAIMED, STANDARD)
    known = known_claims()
    values = {}
    for own in found["claims"]:
        claim = known[own["id"]]
        assert own["form"] == claim.form
        assert claim.source.startswith(f"Li et al. 2024, {own['source']}")
        assert (own["expected"]["low"], own["expected"]["high"]) == pytest.approx(claim.expected[:2])
        assert own["met"] == (own["expected"]["low"] <= own["value"] <= own["expected"]["high"])
        assert own["applies"]
        values[own["id"]] = own["value"]
    assert values["thm3.3-generalization"] == found["row"]["risk_in"]
    assert values["prop4.1-projection-query"] == pytest.approx(found["row"]["query_relevant"] / (0.175 * 2))
    kinds, norms = found["neurons"]["kind"], found["neurons"]["norm"]
    small = [norm for kind, norm in zip(kinds, norms, strict=True) if kind == 0]
    assert values["thm3.7-small-norm"] == pytest.approx(sum(small) / len(small) * math.sqrt(24))
    risk = found["pruning"]["risk"]["out"]
    assert values["thm3.7-prune-small"] == pytest.approx(risk[len(small)] - risk[0])


@pytest.mark.parametrize(
    ("changes", "silent"),
    [({"tasks": "broken"}, {"thm3.3", "thm3.4"}), ({"S1": 0.5}, {"thm3.4"}), ({"eta": 1.5}, {"thm3.3", "thm3.4"})],
    ids=["coverage", "S1", "eta"],  # sets are written in another order by every process
)
def test_claims_are_silent_where_their_conditions_are_not_met(
    changes: dict[str, Any], silent: set[str], tmp_path: Path
) -> None:
    found = in_node(tmp_path, CLAIMED, {**STANDARD, **changes})["claims"]
    of_theorems = {one["id"].partition("-")[0]: one["applies"] for one in found}
    assert {name for name, applies in of_theorems.items() if not applies and name in ("thm3.3", "thm3.4")} == silent
