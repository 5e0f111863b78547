"""Agreement with lm-evaluation-harness on one task: the words that come with iclscope."""

from __future__ import annotations

import pytest
from language_models.harness import compare_with_the_harness

from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.prepared import prepare
from iclscope.language_models.settings import TextMeasurement

# Importing it warns of what it brings along.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_scores_are_those_of_the_harness(tiny: LanguageModel) -> None:
    asked = prepare(TextMeasurement(model=tiny.source, queries=12))
    compare_with_the_harness(asked, 5e-4)
