"""Scoring with a cache and batches against one uncached prompt at a time, in one process, in turn.

    python benchmarks/bench_language_models.py MODEL DATA [--test FILE] [--queries 200] [--rounds 3] [--device cpu]

Prints queries per second and their ratio: at 8 fixed demonstrations (all queries share them) and with demonstrations of
their own for each query. The plain way reads each prompt with each label as one text, as it is written in most scripts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.prompts.scoring import label_scores
from iclscope.language_models.selectors.at_random import balanced
from iclscope.language_models.settings import ModelSource, TextMeasurement

SHOTS = 8


def fixed_groups(prepared: Prepared) -> list[PromptGroup]:
    """All queries behind the same demonstrations."""
    asked, form = prepared.asked, prepared.format
    prefix = form.prefix(asked.pool.at(balanced(asked, SHOTS, 0)))
    return [PromptGroup(prefix, tuple(map(form.asked, asked.queries.texts)))]


def own_groups(prepared: Prepared) -> list[PromptGroup]:
    """Each query behind demonstrations of its own."""
    asked, form = prepared.asked, prepared.format
    numbers = generator(0, "own demonstrations")
    shown = [numbers.choice(len(asked.pool.texts), SHOTS, replace=False).tolist() for _ in asked.queries.texts]
    return [
        PromptGroup(form.prefix(asked.pool.at(which)), (form.asked(text),))
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


def per_second(work: Callable[[], object], queries: int) -> float:
    """Queries a second."""
    began = time.perf_counter()
    work()
    return queries / (time.perf_counter() - began)


def shortened(groups: list[PromptGroup], count: int) -> list[PromptGroup]:
    """The first queries only: the plain way takes long."""
    if len(groups) == 1:
        return [groups[0]._replace(queries=groups[0].queries[:count])]
    return groups[:count]


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
    given = parser.parse_args()
    source = ModelSource(name=given.model, device=given.device, dtype=given.dtype)
    form = PromptFormat(query=given.format.replace("\\n", "\n"))
    prepared = prepare(
        TextMeasurement(model=source, data=given.data, test=given.test, format=form, queries=given.queries)
    )
    answers = form.answers(prepared.asked.classes)
    language_model = prepared.language_model
    print(f"{prepared.title}, {SHOTS} shots, {torch.get_num_threads()} threads, {language_model.model.dtype}")
    for name, groups in (
        ("fixed demonstrations", fixed_groups(prepared)),
        ("own demonstrations", own_groups(prepared)),
    ):
        few = shortened(groups, given.plain_queries)
        plain(language_model, shortened(few, 1), answers)  # warm up
        ours, theirs = [], []
        for _ in range(given.rounds):
            ours.append(per_second(lambda groups=groups: label_scores(language_model, groups, answers), given.queries))
            theirs.append(per_second(lambda few=few: plain(language_model, few, answers), given.plain_queries))
        fast, slow = statistics.median(ours), statistics.median(theirs)
        print(
            f"{name:21s} {fast:8.2f} queries/s, plain {slow:7.2f}: {fast / slow:5.1f} ×; "
            f"{given.queries} queries in {given.queries / fast:.0f} s"
        )


if __name__ == "__main__":
    main()
