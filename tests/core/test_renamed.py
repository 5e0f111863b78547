"""Old public names: they work for this release, and say what they are called now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pytest

from iclscope.core.renamed import renamed_names
from iclscope.language_models import PromptFormat
from iclscope.models import LinearAttentionConfig
from iclscope.tasks import PatternClassification, RegressionTask
from iclscope.theory import li2024


def test_old_names_of_tasks_and_models_warn_and_give_the_same() -> None:
    for thing in (PatternClassification(), LinearAttentionConfig()):
        with pytest.warns(DeprecationWarning, match=r"told is deprecated.*use title"):
            assert thing.told == thing.title
        with pytest.warns(DeprecationWarning, match=r"described is deprecated.*use summary"):
            assert thing.described() == thing.summary()


def test_what_a_class_overrides_under_an_old_name_counts() -> None:
    with pytest.warns(DeprecationWarning, match="Cubic") as warned:

        class Cubic(RegressionTask):
            titled: ClassVar[tuple[str, ...]] = ("d_X",)
            looks_inside: ClassVar[bool] = True
            kind: Literal["old_cubic"] = "old_cubic"
            d_X: int = 3

            @property
            def told(self) -> str:
                return f"cubes of {self.d_X}"

            def described(self) -> dict[str, float | str]:
                return {"d": self.d_X}

    assert len(warned) == 4
    task: Any = Cubic()
    assert (task.title, task.summary(), task.title_settings, task.supports_probes) == (
        "cubes of 3",
        {"d": 3},
        ("d_X",),
        True,
    )


def test_a_format_renders_a_query_under_its_old_name() -> None:
    form = PromptFormat()
    with pytest.warns(DeprecationWarning, match="render_query"):
        assert form.asked("x") == form.render_query("x")


def test_the_theory_of_li2024_keeps_promises() -> None:
    with pytest.warns(DeprecationWarning, match="guarantees"):
        assert li2024.promises is li2024.guarantees  # type: ignore[attr-defined]


def test_a_name_that_there_never_was_is_missing() -> None:
    renamed: Mapping[str, str] = {"old": "new"}
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        renamed_names(__name__, renamed)("other")
