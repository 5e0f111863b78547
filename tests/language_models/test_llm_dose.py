"""Diluted prompts: what they show, what is judged, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from refusals import says

from iclscope import language_models
from iclscope.core.errors import BadRequest
from iclscope.language_models.dilution import claims as claims_module
from iclscope.language_models.dilution.advice import crossing, most_irrelevant, sentences
from iclscope.language_models.dilution.claims import alike_pairs, dose_claims
from iclscope.language_models.dilution.demonstrations import FIRST, LAST, dosed, irrelevant_texts, mean_place, mixed
from iclscope.language_models.dilution.learners import learned_answers
from iclscope.language_models.dilution.settings import DoseSettings
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED
from iclscope.language_models.prompts.draws import SampledTask, draw_queries
from iclscope.language_models.texts.labelled_text import LabelledTexts, TextTask

POOL = LabelledTexts(tuple(f"film {i}" for i in range(60)), tuple("good" if i % 2 else "bad" for i in range(60)))
OTHERS = tuple(f"thing {i}" for i in range(40))
ASKED = draw_queries(TextTask("films", POOL, None), 10, 0)


def settings(**given: Any) -> DoseSettings:
    return DoseSettings(**{"shots": (4, 8), "alphas": (0, 0.25, 0.5, 1), **given})


@pytest.mark.parametrize("where", ["anywhere", FIRST, LAST])
@pytest.mark.parametrize(("shots", "relevant"), [(8, 0), (8, 2), (8, 8), (4, 1)])
def test_a_prompt_shows_as_many_relevant_ones_as_were_asked_for(shots: int, relevant: int, where: str) -> None:
    pool = mixed(ASKED, settings(), OTHERS, 7)
    shown = pool.texts.at(dosed(pool, shots, relevant, 7, where))
    about = [text.startswith("film") for text in shown.texts]
    assert (len(about), sum(about)) == (shots, relevant)
    assert len(set(shown.texts)) == shots
    if where != "anywhere":
        assert about == sorted(about, reverse=where == LAST)
    for text, label in zip(*shown, strict=True):
        if text.startswith("film"):
            assert label == POOL.labels[POOL.texts.index(text)]


def test_more_relevant_ones_keep_those_that_were_there_and_their_places() -> None:
    pool = mixed(ASKED, settings(), OTHERS, 3)
    few, many = (dosed(pool, 8, relevant, 3) for relevant in (2, 4))
    start = len(ASKED.pool.texts)
    places = [{at for at, one in enumerate(shown) if one < start} for shown in (few, many)]
    assert places[0] < places[1]
    assert {one for one in few if one < start} < {one for one in many if one < start}
    assert mean_place((0, start, start), pool) == 0.75
    assert np.isnan(mean_place((0, 1), pool))


def test_labels_of_the_others() -> None:
    seeds = range(40)
    coins = [mixed(ASKED, settings(), OTHERS, seed) for seed in seeds]
    labels = [pool.texts.labels[one] for pool in coins for one in pool.irrelevant]
    assert 0.4 < labels.count("good") / len(labels) < 0.6
    for seed in seeds:
        fixed = mixed(ASKED, settings(labels="fixed"), OTHERS, seed)
        assert len({fixed.texts.labels[one] for one in fixed.irrelevant}) == 1
        flipped = mixed(ASKED, settings(labels="flipped"), (), seed)
        shown = [flipped.texts.texts[one] for one in flipped.irrelevant]
        assert not set(shown) & {flipped.texts.texts[one] for one in flipped.relevant}
        for text, one in zip(shown, flipped.irrelevant, strict=True):
            assert flipped.texts.labels[one] != POOL.labels[POOL.texts.index(text)]
    dealt = mixed(ASKED, settings(), OTHERS, 0, shuffled=True)
    assert dealt.texts.texts == coins[0].texts.texts
    assert dealt.texts.labels[: len(ASKED.pool.texts)] != ASKED.pool.labels


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"alphas": (0.25, 1), "shots": (2, 4)},
            r"--alphas: expected .* relevant, got 0.25; of 2 that is 0.5",
        ),
        ({"alphas": (0.3, 1)}, "of 4 that is 1.2"),
        ({"alphas": (0, 2)}, "shares from 0 to 1"),
        ({"alphas": (1,)}, "at least"),
        ({"alphas": (1, 1.0)}, "at least two shares"),
        ({"shots": (0, 4)}, "--shots"),
        ({"labels": "odd"}, "--labels: expected one of random, flipped, fixed, got 'odd'"),
        ({"labels": "flipped", "irrelevant": "words"}, "--irrelevant: expected nothing with"),
    ],
)
def test_doses_that_there_are_not(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        settings(**given)


def refusal(asked: SampledTask, tmp_path: Path, rows: list[tuple[str, str]]) -> str:
    file = tmp_path / "others.csv"
    file.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    with pytest.raises(BadRequest) as refused:
        irrelevant_texts(asked, settings(irrelevant=str(file)), text="text", label="label", encoding=None)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_irrelevant_texts_that_are_not_or_too_few(tmp_path: Path) -> None:
    things = [(f"thing {i}", "odd" if i % 2 else "even") for i in range(20)]
    assert "1 of these are DATA's own" in refusal(ASKED, tmp_path, [*things, ("FILM 3.", "odd")])
    same = [(f"thing {i}", "good" if i % 2 else "bad") for i in range(20)]
    assert "the labels of these are DATA's own" in refusal(ASKED, tmp_path, same)
    few = refusal(ASKED, tmp_path, things[:5])
    assert says(few, "at least 8 texts")
    assert few.endswith("it has 5")


def made_rows(rate: dict[tuple[str, int, float], float], *, queries: int = 400, draws: int = 4) -> pl.DataFrame:
    numbers = np.random.default_rng(0)
    parts = []
    for (arm, shots, alpha), right in rate.items():
        for draw in range(draws):
            hits = numbers.random(queries) < right
            part = pl.DataFrame({"query": np.arange(queries), "calibrated_correct": hits, "correct": hits})
            part = part.with_columns(
                arm=pl.lit(arm), shots=pl.lit(shots), alpha=pl.lit(float(alpha)), draw=pl.lit(draw),
                logistic_correct=pl.Series(numbers.random(queries) < 0.5), knn_correct=pl.Series(hits),
            )  # fmt: skip
            parts.append(part)
    return pl.concat(parts)


def by_product(scale: float) -> dict[tuple[str, int, float], float]:
    """Accuracy that goes by α'·l alone; at chance where labels are shuffled."""
    doses = [(shots, alpha) for shots in (4, 8, 16) for alpha in (0.0, 0.25, 0.5, 1.0)]
    given = {(AS_GIVEN, shots, alpha): 0.5 + scale * alpha * shots / 16 for shots, alpha in doses}
    return given | {(SHUFFLED, shots, alpha): 0.5 for shots, alpha in doses}


def test_claims_hold_where_accuracy_goes_by_the_number_of_relevant_ones() -> None:
    judged = {one.claim.id: one for one in dose_claims(made_rows(by_product(0.45), queries=1600))}
    assert {name: one.verdict for name, one in judged.items()} == {
        "dose-alpha": "holds",
        "dose-exchange": "holds",
        "dose-repair": "holds",
        "dose-learner": "holds",
    }
    assert {name: one.control_verdict for name, one in judged.items()} == dict.fromkeys(judged, "fails")


def test_claims_fail_where_nothing_is_learned() -> None:
    judged = {one.claim.id: one.verdict for one in dose_claims(made_rows(by_product(0.0), queries=1600))}
    assert judged == {"dose-alpha": "fails", "dose-exchange": "holds", "dose-repair": "fails", "dose-learner": "fails"}


def test_alike_pairs_have_as_many_relevant_ones() -> None:
    pairs = alike_pairs((4, 8, 16), (0.0, 0.25, 0.5, 1.0))
    assert len(pairs) == 4
    assert all(alpha * shots == double * half for (alpha, shots), (double, half) in pairs)


def test_the_sentence_tells_the_largest_share_before_a_loss_may_be_large() -> None:
    rate = {1.0: 0.9, 0.75: 0.9, 0.5: 0.89, 0.25: 0.7, 0.0: 0.9}
    rows = made_rows({(AS_GIVEN, 16, alpha): right for alpha, right in rate.items()}, queries=3000)
    assert most_irrelevant(rows, 16) == 0.5
    assert sentences(rows) == [
        "at 16 demonstrations this model loses at most 5 points while no more than 50 % are irrelevant"
    ]
    poor = made_rows({(AS_GIVEN, 16, 1.0): 0.9, (AS_GIVEN, 16, 0.75): 0.5})
    assert sentences(poor, what="wrongly labelled") == [
        "at 16 demonstrations a loss of more than 5 points is not excluded even where 25 % are wrongly labelled"
    ]
    assert sentences(made_rows({(AS_GIVEN, 16, 0.5): 0.9})) == []


def test_where_accuracy_crosses_chance() -> None:
    assert crossing((0, 0.5, 1), (0.2, 0.4, 0.8), 0.6) == pytest.approx(0.75)
    assert crossing((0, 1), (0.7, 0.8), 0.6) is None


def test_learners_find_what_is_there_and_answer_alone_what_is_shown_alone() -> None:
    numbers = np.random.default_rng(0)
    labels = ["a", "b"] * 8
    means = {"a": np.ones(12), "b": -np.ones(12)}
    shown = np.stack([means[label] + 0.3 * numbers.normal(size=12) for label in labels])
    asked = np.stack([means[label] + 0.3 * numbers.normal(size=12) for label in ("a", "a", "b")])
    for answers in learned_answers(shown, labels, asked).values():
        assert answers == ["a", "a", "b"]
    for answers in learned_answers(shown, ["b"] * 16, asked).values():
        assert answers == ["b"] * 3


@pytest.mark.usefixtures("figures_are_not_drawn")
def test_it_is_measured_once_and_told(tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "films.csv"
    lines = [f"a {['good', 'bad'][i % 2]} film of the {i}th kind,{['positive', 'negative'][i % 2]}" for i in range(60)]
    data.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    asked: dict[str, Any] = {"shots": (4, 8), "queries": 8, "draws": 2, "out": tmp_path / "out"}
    done = language_models.dose(str(tiny_llama_folder), str(data), **asked)
    assert {one.claim.id for one in done.claims} == {"dose-alpha", "dose-exchange", "dose-repair", "dose-learner"}
    assert len(done.sentences) == 2
    rows = done.rows
    assert rows.filter(pl.col("arm") == AS_GIVEN).height == 2 * 5 * 2 * 8
    start = 60 - 8
    shares = rows.with_columns(
        share=pl.col("demonstrations").list.eval(pl.element() < start).list.sum() / pl.col("shots")
    )
    assert (shares["share"] == shares["alpha"]).all()
    noted = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert noted["settings"]["command"] == "dose"
    monkeypatch.setattr("iclscope.language_models.dilution.measurement.fitted_answers", None)
    assert language_models.dose(str(tiny_llama_folder), str(data), **asked).rows.equals(rows)
    with pytest.raises(BadRequest, match="it has another labels"):
        language_models.dose(str(tiny_llama_folder), str(data), labels="flipped", **asked)
    with pytest.raises(BadRequest, match=r"--too-long: expected .*, got 'drop-shots'"):
        language_models.dose(
            str(tiny_llama_folder), str(data), too_long="drop-shots", **asked | {"out": tmp_path / "other"}
        )


def test_margins_are_what_was_fixed_before_the_first_run() -> None:
    assert claims_module.POINTS == 0.05
