"""Pruning as a whole on tiny models; losses, claims and the recommendation on rows whose answer is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from iclscope.claims.intervals import Interval
from iclscope.core.errors import BadRequest
from iclscope.language_models.evaluation.rows import draw_seed
from iclscope.language_models.measurement import measure, unit_tables
from iclscope.language_models.models import mlp_layout as layout
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.prompts.answers import answers
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.pruning import measurement as prune_measurement
from iclscope.language_models.pruning.claims import prune_claims
from iclscope.language_models.pruning.figure import points_text
from iclscope.language_models.pruning.losses import (
    MOST_LOSS,
    Point,
    chosen_score,
    largest_free_rate,
    prune_points,
    queries_needed,
    recommend,
)
from iclscope.language_models.pruning.measurement import Pruning
from iclscope.language_models.pruning.pruned import pruned_model
from iclscope.language_models.pruning.rows import WHOLE, Neurons, PruneRows
from iclscope.language_models.pruning.save import Save, check_save
from iclscope.language_models.pruning.texts import pruning_texts
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import choose
from iclscope.language_models.settings import ModelSource, PruneSettings, TextMeasurement

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

SETTINGS = PruneSettings(rates=(0.2, 0.5), shots=2, prompts=4, texts=3, timings=1)


@pytest.fixture
def prepared(tiny_folder: Path) -> Prepared:
    return prepare(TextMeasurement(model=ModelSource(name=str(tiny_folder)), queries=6, draws=2))


def test_all_units_are_asked_under_their_masks(prepared: Prepared) -> None:
    """The rows of one unit against a smaller model, cut, not masked."""
    tables = unit_tables(Pruning(prepared, SETTINGS))
    answered, texts = tables["rows"], tables["texts"]
    assert answered.height == (2 + 4 * 2 * 2) * 6
    counts = dict(texts.group_by("score").agg(pl.col("draw").n_unique()).rows())
    assert counts == {WHOLE: 1, "magnitude": 1, "activation": 1, "random": 2, "largest": 1}
    kept = Neurons(prepared, SETTINGS).kept("activation", 0.5)
    small = prepared._replace(language_model=pruned_model(prepared.language_model, kept))
    choice = choose("balanced", small.language_model, small.sampled, 2, draw_seed(0, 1))
    expected = answers(small.language_model, small.sampled, choice, small.format)
    found = answered.filter(pl.col("score") == "activation", pl.col("rate") == 0.5, pl.col("draw") == 1)
    assert found["answer"].to_list() == expected["answer"].to_list()
    np.testing.assert_allclose(found["log_probability"], expected["log_probability"], rtol=1e-3, atol=1e-4)


def test_neurons_that_stay_are_nested_and_the_same_share_in_each_layer(prepared: Prepared) -> None:
    neurons = Neurons(prepared, SETTINGS)
    width = mlp_layout(prepared.language_model).width
    for score in SETTINGS.scores:
        few, many = (neurons.kept(score, rate) for rate in SETTINGS.rates)
        assert (~few).sum(dim=1).tolist() == [round(0.2 * width)] * 2
        assert (~many).sum(dim=1).tolist() == [round(0.5 * width)] * 2
        assert not (many & ~few).any()
    smallest, largest = (neurons.kept(score, 0.5) for score in ("magnitude", "largest"))
    assert torch.equal(smallest, ~largest)
    draws = [neurons.kept("random", 0.5, draw) for draw in (0, 1)]
    assert not torch.equal(*draws)
    assert not torch.equal(draws[0][0], draws[0][1])


def test_texts_of_scoring_and_of_perplexity_share_no_example(prepared: Prepared) -> None:
    arguments = {"shots": 3, "scored": 4, "held_out": 2, "seed": 1}
    texts = pruning_texts(prepared, **arguments)
    assert (len(texts.scored), len(texts.held_out)) == (4, 2)
    tokenizer = prepared.language_model.tokenizer
    shown = [
        [line for prompt in part for line in tokenizer.decode(prompt).split("\n") if line.startswith("Text: ")]
        for part in (texts.scored, texts.held_out)
    ]
    assert [len(part) for part in shown] == [12, 6]
    examples = [*shown[0], *shown[1]]
    assert len(set(examples)) == len(examples)
    queries = {prepared.format.render_query(text).split("\n")[0] for text in prepared.sampled.queries.texts}
    assert not queries & set(examples)


def test_a_small_pool_gives_fewer_texts(prepared: Prepared) -> None:
    small = prepared.sampled._replace(pool=prepared.sampled.pool.at(range(0, 190, 19)))
    arguments = {"shots": 4, "scored": 32, "held_out": 16, "seed": 1}
    texts = pruning_texts(prepared._replace(sampled=small), **arguments)
    assert (len(texts.scored), len(texts.held_out)) == (1, 1)
    single = prepared.sampled._replace(pool=prepared.sampled.pool.at([0]))
    with pytest.raises(BadRequest, match="at least two texts"):
        pruning_texts(prepared._replace(sampled=single), **arguments)


def test_a_rate_that_leaves_or_removes_nothing_is_refused(prepared: Prepared) -> None:
    for rate in (1.0, 0.0, -0.1, math.nan):
        with pytest.raises(BadRequest, match="--rates"):
            PruneSettings(rates=(rate,))
    for rate in (0.999, 0.001):
        with pytest.raises(BadRequest, match=r"--rates: expected .*leave at least 1"):
            Pruning(prepared, PruneSettings(rates=(rate,)))


@pytest.mark.parametrize(("name", "value"), [("shots", 0), ("texts", 0), ("scores", ("size",)), ("timings", -1)])
def test_settings_are_refused_in_one_line(name: str, value: object) -> None:
    with pytest.raises(BadRequest, match=f"--{name.removesuffix('s') if name == 'scores' else name}: expected"):
        PruneSettings(**{name: value})


def test_the_measurement_goes_on_where_it_stopped(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    told: list[tuple[int, int]] = []
    first = measure(Pruning(prepared, SETTINGS, RunFolder(folder, {})), progress=lambda *now: told.append(now))
    assert told[-1] == (18 * 9 + 3 * (1 + 3 * 2 + 2 * 2), 18 * 9 + 3 * 11)
    names = {path.name for path in folder.iterdir()}
    assert {"rows.parquet", "texts.parquet", "costs.parquet", "claims.json", "report.html", "pruning.png"} <= names
    claims = json.loads((folder / "claims.json").read_text())
    ids = ["prune-magnitude", "prune-magnitude-text", "prune-activation", "prune-activation-text"]
    assert [claim["id"] for claim in claims] == ids

    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    for name in ("fitted_answers", "nll", "cost_rows"):
        monkeypatch.setattr(prune_measurement, name, never)
    monkeypatch.setattr("iclscope.language_models.pruning.rows.activity", never)
    save = Save(tmp_path / "small", 0.5, "activation")
    again = measure(Pruning(prepared, SETTINGS, RunFolder(folder, {}), save=save))
    assert again.rows.answers.equals(first.rows.answers)
    assert again.saved is not None
    small = load_language_model(str(tmp_path / "small"))
    assert mlp_layout(small).width == mlp_layout(prepared.language_model).width // 2
    assert json.loads((tmp_path / "small" / "pruning.json").read_text())["score"] == "activation"
    report = (folder / "report.html").read_text()
    assert "What is saved" in report
    assert "50 % of the neurons removed by activation" in report


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    for save, option in (
        (Save(tmp_path / "a", 0.3), "--save-rate"),
        (Save(tmp_path / "a", 0.5, "size"), "--save-score"),
        (Save(tmp_path / "a"), "--save: "),
    ):
        with pytest.raises(BadRequest, match=option):
            check_save(save, SETTINGS, tmp_path / "a" / "out")
    check_save(Save(tmp_path / "out" / "small"), SETTINGS, tmp_path / "out")


def _rows(losses: dict[tuple[str, float], float], *, accuracy: float = 0.9, queries: int = 400) -> PruneRows:
    """Three draws in which a share of the whole model's right answers turn wrong, and perplexity grows by e^loss."""
    found, texts = [], []
    for (score, rate), loss in {(WHOLE, 0.0): 0.0, **losses}.items():
        right = np.arange(queries) < round(queries * (accuracy - loss))
        for draw in range(3):
            part = {"query": np.arange(queries), "correct": right, "calibrated_correct": right}
            found.append(_tagged(pl.DataFrame(part), score, rate, draw))
        tokens = np.asarray([10, 20, 30, 40])
        read = {"text": np.arange(4), "tokens": tokens, "surprise": tokens * (1 + loss)}
        texts.append(_tagged(pl.DataFrame(read), score, rate, 0))
    return PruneRows(pl.concat(found), pl.concat(texts))


def _tagged(rows: pl.DataFrame, score: str, rate: float, draw: int) -> pl.DataFrame:
    return rows.select(pl.lit(score).alias("score"), pl.lit(rate).alias("rate"), pl.lit(draw).alias("draw"), pl.all())


def test_losses_are_paired_and_perplexities_relative() -> None:
    points = prune_points(_rows({("magnitude", 0.1): 0.25}))
    assert [point.score for point in points] == [WHOLE, "magnitude"]
    assert points[0].loss.value == 0
    assert points[1].loss.value == pytest.approx(0.25)
    assert points[1].nll_ratio.value == pytest.approx(0.25)
    assert points[1].nll.value == pytest.approx(1.25)
    table = points_text(points)
    assert table.rows[0][:5] == ("none", "0", *table.rows[0][2:4], "–")
    assert table.rows[1][5].startswith("3.49 [")


def test_a_rate_is_free_only_if_all_smaller_ones_are() -> None:
    losses = {("activation", 0.1): 0.0, ("activation", 0.2): 0.0, ("activation", 0.3): 0.2, ("activation", 0.4): 0.0}
    assert largest_free_rate(prune_points(_rows(losses)), "activation") == 0.2
    assert largest_free_rate(prune_points(_rows({("activation", 0.1): 0.3})), "activation") == 0


def test_a_small_loss_is_free_and_one_at_the_margin_is_not() -> None:
    """Two points, with an interval of some two around them, stay below the margin of five; four do not."""
    points = prune_points(_rows({("activation", 0.1): 0.02, ("activation", 0.2): 0.04}))
    assert points[1].loss.low > 0
    assert points[1].loss.high < MOST_LOSS < points[2].loss.high
    assert largest_free_rate(points, "activation") == 0.1


def test_the_score_is_chosen_on_texts_and_tested_on_queries() -> None:
    """Queries must not choose the score that they test: here they would choose the other one."""
    rows = _rows({(score, rate): 0.0 for score in ("magnitude", "activation") for rate in (0.1, 0.2)})
    quiet = rows.texts.with_columns(
        surprise=pl.when(pl.col("score") == "magnitude").then(2 * pl.col("surprise")).otherwise(pl.col("surprise"))
    )
    points = prune_points(PruneRows(rows.answers, quiet))
    assert chosen_score(points) == "activation"
    swapped = rows.answers.with_columns(
        calibrated_correct=pl.when(pl.col("score") == "activation")
        .then(pl.lit(value=False))
        .otherwise(pl.col("calibrated_correct"))
    )
    found = recommend(prune_points(PruneRows(swapped, quiet)), chance=0.5)
    assert (found.score, found.rate) == (None, 0)
    assert found.rates == {"magnitude": 0.2, "activation": 0.0}


def test_controls_are_never_recommended() -> None:
    losses = {("magnitude", 0.1): 0.3, ("activation", 0.1): 0.0, ("random", 0.1): 0.0, ("random", 0.2): 0.0}
    found = recommend(prune_points(_rows(losses)), chance=0.5)
    assert (found.score, found.rate) == ("activation", 0.1)
    assert found.rates == {"magnitude": 0.0, "activation": 0.1, "random": 0.2}
    assert found.reason.startswith("10 % of the neurons, chosen by activation")
    assert found.warnings == ()
    none = recommend(prune_points(_rows({("magnitude", 0.1): 0.3, ("random", 0.1): 0.0})), chance=0.5, queries=400)
    assert (none.score, none.rate, none.warnings) == (None, 0, ())
    assert "is not seen to stay below 5 points" in none.reason
    controls = recommend(prune_points(_rows({("random", 0.1): 0.0})), chance=0.5)
    assert (controls.score, controls.rate, controls.loss, controls.rates) == (None, 0, None, {"random": 0.1})
    assert "only controls" in controls.reason


def test_of_few_queries_nothing_is_recommended_and_how_many_are_needed_is_said() -> None:
    """Twenty queries without a loss leave one of up to 17 points possible: 1 − 0.025^(1/20)."""
    found = recommend(prune_points(_rows({("activation", 0.1): 0.0}, queries=20)), chance=0.5, queries=20)
    assert (found.score, found.rate) == (None, 0)
    (warning,) = found.warnings
    assert "about 72 instead of 20" in warning
    # Not to lose anything among so many is enough, and among 71 it is not: 0.95^72 < 0.025 < 0.95^71.
    for queries, rate in ((72, 0.1), (71, 0.0)):
        points = prune_points(_rows({("activation", 0.1): 0.0}, queries=queries))
        assert recommend(points, chance=0.5, queries=queries).rate == rate
    # Who does not say how many were asked is not told how many it takes.
    assert recommend(prune_points(_rows({("activation", 0.1): 0.0}, queries=20)), chance=0.5).warnings == ()


@pytest.mark.parametrize(
    ("loss", "high", "queries", "needed"),
    [
        (0.01, 0.10, 100, 507),  # half of the width is 9/4 of the room of 4 points: (9/4)² · 100 = 506.25
        (0.01, 0.075, 100, 265),  # (13/8)² · 100 = 264.06
        (0.02, 0.0591, 100, 170),  # (391/300)² · 100 = 169.9; without a loss half would be 1 − 0.025^(1/100) = 0.036
        (-0.02, 0.08, 40, 82),  # the room is 7 points: (10/7)² · 40 = 81.6
        (0.0, 1 - 0.025 ** (1 / 20), 20, 72),  # nothing was lost: as many as leave no 5 points unseen
        (0.05, 0.06, 100, None),
        (0.08, 0.2, 100, None),
    ],
)
def test_needed_queries_shrink_the_interval_into_the_margin(
    loss: float, high: float, queries: int, needed: int | None
) -> None:
    nothing = Interval(math.nan, -math.inf, math.inf, 0)
    lost = Interval(loss, 2 * loss - high, high, 3)
    assert queries_needed(Point("magnitude", 0.1, nothing, nothing, lost, nothing, nothing), queries) == needed


def test_nothing_is_recommended_where_there_is_nothing_to_lose() -> None:
    found = recommend(prune_points(_rows({("activation", 0.1): 0.0}, accuracy=0.52)), chance=0.5)
    assert (found.score, found.rate, dict(found.rates)) == (None, 0, {})
    assert "better than chance (50 %)" in found.reason
    points = prune_points(_rows({("activation", 0.1): 0.0}))
    at_chance = recommend(points, chance=points[0].calibrated.low)  # an interval that begins there is not above it
    assert (at_chance.rate, dict(at_chance.rates)) == (0, {})
    # A model that answers by chance once it is pruned had much to lose.
    lost = recommend(prune_points(_rows({("activation", 0.2): 0.4, ("activation", 0.1): 0.42})), chance=0.5)
    assert (lost.score, lost.rates) == (None, {"activation": 0.0})
    assert "without 10 % of the neurons, chosen by activation, the loss of 42.0 [" in lost.reason


def test_claims_hold_fail_and_need_their_control() -> None:
    losses = {("magnitude", 0.2): 0.4, ("largest", 0.2): 0.45, ("activation", 0.2): 0.0, ("random", 0.2): 0.41}
    claims = {claim.claim.id: claim for claim in prune_claims(_rows(losses, queries=2000))}
    assert claims["prune-magnitude"].verdict == claims["prune-magnitude"].control_verdict == "fails"
    assert claims["prune-activation"].verdict == "holds"
    assert claims["prune-activation"].control_verdict == "fails"
    assert claims["prune-activation-text"].verdict == "holds"
    assert claims["prune-activation-text"].estimate == pytest.approx(Interval(0, 0, 0, 1), abs=1e-9)
    assert prune_claims(_rows({("magnitude", 0.2): 0.4, ("random", 0.2): 0.41})) == []
    assert prune_claims(_rows({(score, 0.1): 0.0 for score in ("magnitude", "largest")})) == []


def test_an_unknown_layout_is_refused_before_anything_is_asked(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(LanguageModel, "kind", property(lambda _: "bloom"))
    monkeypatch.setattr(layout, "family_by_structure", lambda *_: "of type 'bloom', whose layers have no MLP")
    with pytest.raises(BadRequest, match="of type 'bloom'"):
        Pruning(prepared, SETTINGS, RunFolder(tmp_path / "out", {}))
    assert not (tmp_path / "out").exists()
