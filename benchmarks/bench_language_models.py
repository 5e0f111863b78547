"""Scoring with a cache and batches against one uncached prompt at a time, in one process, in turn.

    python benchmarks/bench_language_models.py MODEL DATA [--test FILE] [--queries 200] [--rounds 3] [--device cpu]

Prints queries per second and their ratio: at 8 fixed demonstrations (all queries share them) and with demonstrations of
their own for each query. The plain way reads each prompt with each label as one text, as it is written in most scripts.
With `--before FOLDER` the package of another checkout of this repository takes its place, with types of its own
(`--dtype-before`): both score the same prompts in turn, as `answers` does, content-free queries included.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.prompts.format import CONTENT_FREE, PromptFormat, PromptGroup
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.selectors.random_selectors import balanced
from iclscope.language_models.settings import ModelSource, TextMeasurement

SHOTS = 8


def fixed_groups(prepared: Prepared) -> list[PromptGroup]:
    """All queries behind the same demonstrations."""
    asked, form = prepared.sampled, prepared.format
    prefix = form.prefix(asked.pool.at(balanced(asked, SHOTS, 0)))
    return [PromptGroup(prefix, tuple(map(form.render_query, asked.queries.texts)))]


def own_groups(prepared: Prepared) -> list[PromptGroup]:
    """Each query behind demonstrations of its own."""
    asked, form = prepared.sampled, prepared.format
    numbers = generator(0, "own demonstrations")
    shown = [numbers.choice(len(asked.pool.texts), SHOTS, replace=False).tolist() for _ in asked.queries.texts]
    return [
        PromptGroup(form.prefix(asked.pool.at(which)), (form.render_query(text),))
        for which, text in zip(shown, asked.queries.texts, strict=True)
    ]


@torch.inference_mode()
def plain(language_model: LanguageModel, groups: list[PromptGroup], answers: tuple[str, ...]) -> None:
    """One whole prompt with one label at a time, nothing kept."""
    tokenizer, model = language_model.tokenizer, language_model.model
    for group in groups:
        for query in group.queries:
            text = group.prefix + query
            before = len(tokenizer(text)["input_ids"])
            for answer in answers:
                ids = torch.tensor([tokenizer(text + answer)["input_ids"]], device=model.device)
                logits = model(input_ids=ids).logits[0, before - 1 : -1].float()
                logits.log_softmax(dim=-1).gather(1, ids[0, before:, None]).sum().item()


def per_second(work: Callable[[], object], queries: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Queries a second."""
    began = clock()
    work()
    return queries / (clock() - began)


def shortened(groups: list[PromptGroup], count: int) -> list[PromptGroup]:
    """The first queries only: the plain way takes long."""
    if len(groups) == 1:
        return [groups[0]._replace(queries=groups[0].queries[:count])]
    return groups[:count]


def with_content_free(groups: list[PromptGroup], form: PromptFormat) -> list[PromptGroup]:
    """The prompts as a measurement reads them: calibration asks queries without content behind each prefix."""
    free = tuple(form.render_query(text) for text in CONTENT_FREE)
    return [group._replace(queries=(*group.queries, *free)) for group in groups]


def scorer_of(checkout: Path, source: dict[str, str]) -> Callable[[list[PromptGroup], tuple[str, ...]], object]:
    """Scoring by the package in another checkout, with a model that it has loaded itself."""

    def own_modules() -> dict[str, Any]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "iclscope"}

    ours = own_modules()
    sys.path.insert(0, str(checkout))
    try:
        settings = importlib.import_module("iclscope.language_models.settings")
        loading = importlib.import_module("iclscope.language_models.models.loading")
        scoring = importlib.import_module("iclscope.language_models.prompts.scoring")
        forms = importlib.import_module("iclscope.language_models.prompts.format")
        language_model = loading.load_language_model(settings.ModelSource(**source))
        print(f"before: {scoring.__file__}, {language_model.model.dtype}")
    finally:
        sys.path.remove(str(checkout))
        own_modules()
        sys.modules.update(ours)

    def score(groups: list[PromptGroup], answers: tuple[str, ...]) -> object:
        return scoring.label_scores(language_model, [forms.PromptGroup(*group) for group in groups], answers)

    return score


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--test")
    parser.add_argument("--format", default="Review: {text}\nSentiment:")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--plain-queries", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument(
        "--before", type=Path, help="another checkout, whose package is measured in place of the plain way"
    )
    parser.add_argument("--dtype-before", default="float32")
    parser.add_argument("--processor-time", action="store_true", help="for machines on which others are at work")
    given = parser.parse_args()
    source = ModelSource(name=given.model, device=given.device, dtype=given.dtype)
    form = PromptFormat(query=given.format.replace("\\n", "\n"))
    prepared = prepare(
        TextMeasurement(model=source, data=given.data, test=given.test, format=form, queries=given.queries)
    )
    answers = form.answers(prepared.sampled.classes)
    language_model = prepared.language_model
    print(f"{prepared.title}, {SHOTS} shots, {torch.get_num_threads()} threads, {language_model.model.dtype}")
    clock = time.process_time if given.processor_time else time.perf_counter
    before = None
    if given.before is not None:
        there = {"name": given.model, "device": given.device, "dtype": given.dtype_before}
        before = scorer_of(given.before.resolve(), there)
    for name, groups in (
        ("fixed demonstrations", fixed_groups(prepared)),
        ("own demonstrations", own_groups(prepared)),
    ):
        other: Callable[[], object]
        if before is None:
            few, count = shortened(groups, given.plain_queries), given.plain_queries
            other = partial(plain, language_model, few, answers)
            plain(language_model, shortened(few, 1), answers)  # warm up
        else:
            groups, count = with_content_free(groups, form), given.queries
            other = partial(before, groups, answers)
            for one in (before, partial(label_scores, language_model)):
                one(shortened(groups, 4), answers)  # warm up
        ours, theirs = [], []
        for _ in range(given.rounds):
            score = partial(label_scores, language_model, groups, answers)
            ours.append(per_second(score, given.queries, clock))
            theirs.append(per_second(other, count, clock))
        fast, slow = statistics.median(ours), statistics.median(theirs)
        ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
        print(
            f"{name:21s} {fast:8.2f} queries/s, {'plain' if before is None else 'before'} {slow:7.2f}: "
            f"{statistics.median(ratios):5.1f} × ({min(ratios):.1f} to {max(ratios):.1f}); "
            f"{given.queries} queries in {given.queries / fast:.0f} s"
        )


if __name__ == "__main__":
    main()
