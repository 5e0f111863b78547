"""`iclscope playground`: which file is written, what is opened, and what is left alone."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from iclscope.cli.main import main
from iclscope.playground.build import is_ours


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


def test_the_page_is_written_and_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["playground", "--out", "page.html"]) == 0
        assert capsys.readouterr().out == "Playground: page.html\n"
        assert is_ours(Path("page.html"))


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("page.txt", "a file that ends in .html or .htm"),
        ("other.html", "a new file, or an unchanged page of iclscope playground; this one is left as it is"),
        ("edited.html", "a new file, or an unchanged page of iclscope playground; this one is left as it is"),
        ("folder.html", "a new file, or an unchanged page of iclscope playground; this one is left as it is"),
        ("nowhere/page.html", "a file in a folder that exists; nowhere does not"),
    ],
)
def test_other_files_are_left_alone(out: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.html").write_text("<html>mine</html>", encoding="utf-8")
    Path("folder.html").mkdir()
    assert main(["playground", "--out", "edited.html"]) == 0
    text = Path("edited.html").read_text(encoding="utf-8")
    Path("edited.html").write_text(text.replace("<body", "<body data-mine", 1), encoding="utf-8")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["playground", "--out", out]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    expected, semicolon, detail = reason.partition("; ")
    assert output.err == f"iclscope: --out: expected {expected}, got '{out}'{semicolon}{detail}\n"
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("opens", [True, False])
def test_the_browser_is_opened(
    opens: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or opens)
    assert main(["playground"]) == 0
    (path,) = Path("temporary").rglob("*.html")
    assert is_ours(path)
    assert asked == [path.resolve().as_uri()]
    told = "" if opens else "; no browser was found here: open this file in one."
    assert capsys.readouterr().out == f"Playground: {path.resolve()}{told}\n"


def test_without_a_screen_no_text_browser_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail(address))
    assert main(["playground"]) == 0
    assert "open this file in one" in capsys.readouterr().out
