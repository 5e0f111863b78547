"""Commands are imported when they are called, and rooms when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import iclscope
from iclscope.cli.llm import llm_app
from iclscope.cli.main import app, main
from iclscope.cli.predict import predict_app

GROUPS = {"": app, "predict": predict_app, "llm": llm_app}
COMMANDS = [
    f"{group} {name}".split()
    for group, found in GROUPS.items()
    for name in found.info.cls.lazy  # type: ignore[union-attr]
]


def loaded_after(code: str) -> set[str]:
    """What a new process has imported after some code, of that which takes long."""
    asked = "('torch', 'transformers', 'sklearn', 'scipy.stats', 'matplotlib', 'polars', 'iclscope.language_models')"
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*(name for name in {asked} if name in sys.modules))"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(ended.stdout.splitlines()[-1].split())


def test_help_and_a_wrong_name_import_nothing_that_takes_long() -> None:
    code = "from iclscope.cli.main import main\nmain(['--help'])\nmain(['llm', '--help'])\nmain(['no-such-command'])"
    assert loaded_after(code) == set()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("evaluate --help", "--shots"),
        ("select --help", "--selector"),
        ("prune --help", "--save-rate"),
        ("attention --help", "--shots"),
        ("evaluate MODEL words --shots x", "--shots: expected"),
        ("evaluate MODEL words --selector nope", "--selector: expected"),
        ("evaluate MODEL words --label-score best", "--label-score: expected"),
        ("evaluate MODEL words --dtype int8", "--dtype: expected"),
        ("evaluate MODEL words --device tpu", "--device: expected"),
        ("evaluate MODEL words --format text", "--format: expected"),
        ("evaluate MODEL words --too-long cut", "--too-long: expected"),
        ("select MODEL words --patterns 0", "--patterns: expected"),
        ("prune MODEL words --score size", "--score: expected"),
        ("prune MODEL words --norm l2", "--norm: expected"),
        ("prune MODEL words --rates 1", "--rates: expected"),
        ("attention MODEL words --shots 1", "--shots: expected"),
    ],
)
def test_help_and_mistakes_in_options_of_language_models_load_no_model(words: str, told: str) -> None:
    code = f"""
import contextlib, io
from iclscope.cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
    main({["llm", *words.split()]})
assert {told!r} in out.getvalue(), out.getvalue()"""
    assert loaded_after(code) <= {"iclscope.language_models"}


@pytest.mark.parametrize("paper", ["li2024", "garg2022", "zhang2024", "huang2024"])
def test_predictions_that_are_formulas_need_no_pytorch(paper: str) -> None:
    code = f"from iclscope.cli.main import main\nassert main(['predict', {paper!r}]) == 0"
    assert loaded_after(code).isdisjoint({"torch", "transformers", "sklearn", "scipy.stats"})


def test_theories_are_imported_one_by_one() -> None:
    assert loaded_after("import iclscope as icl\nicl.theory.li2024.requirements()") == set()


def test_theories_and_models_come_without_what_language_models_need() -> None:
    found = loaded_after("import iclscope as icl\nicl.theory, icl.models, icl.baselines, icl.mechanism, icl.reproduce")
    assert "torch" in found
    assert found.isdisjoint({"transformers", "sklearn", "scipy.stats", "iclscope.language_models"})


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_there_and_listed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert f"Usage: iclscope {' '.join(words)} " in capsys.readouterr().out
    assert main([*words[:-1], "--help"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert words[-1] in listed


@pytest.mark.parametrize("group", list(GROUPS))
def test_a_group_alone_prints_its_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(group.split()) == 0
    assert "Commands:" in capsys.readouterr().out


def test_all_that_is_exported_is_there() -> None:
    for name in iclscope.__all__:
        assert getattr(iclscope, name) is not None
        assert name in dir(iclscope)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'iclscope' has no attribute 'transformers'"):
        iclscope.transformers  # noqa: B018
