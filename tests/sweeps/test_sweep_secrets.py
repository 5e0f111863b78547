"""What is secret in the address of a store or a cluster is shown nowhere and written nowhere."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sweeps.sweep_processes import yaml_of
from sweeps.sweep_runs import run_here

from iclscope.cli.main import main
from iclscope.core.errors import BadRequest, StorageFailed
from iclscope.execution.ray_address import bad_address
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import load_sweep

SECRETS = ("p@ss", "ss@", "KEY", "CRET", "SE/", "abc123", "tok1n", "hush")
ADDRESSES = (
    "vault://me:p@ss@h/x",
    "vault://KEY:SE/CRET@b/x",
    "vault://h/x?sig=abc123",
    "vault://h/x#abc123",
    "vault://tok1n:hush@x",
)


class Vault(MemoryFileSystem):  # type: ignore[misc]
    """A file system elsewhere whose messages repeat the address that it was given."""

    protocol = "vault"
    store: dict[str, Any] = {}  # noqa: RUF012 (as that of its parent)
    pseudo_dirs = [""]  # noqa: RUF012
    failing: str | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        cls.given = path if "://" in path else cls.given
        return "/" + path.partition("://")[2].lstrip("/") if "://" in path else "/" + path.strip("/")

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        if self.failing == "refused":
            raise PermissionError(f"cannot open {self.given} ({path!r}): Access denied for {self.given.split('/')[2]}")
        if self.failing == "missing":
            raise FileNotFoundError(f"{self.given}/{path}")
        found: bytes = super().cat_file(path, start, end, **more)
        return found


@pytest.fixture(autouse=True)
def vault() -> Iterator[type[Vault]]:
    fsspec.register_implementation("vault", Vault, clobber=True)
    Vault.failing = None
    Vault.store.clear()
    yield Vault
    Vault.failing = None


def assert_hidden(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text, text


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("failing", ["refused", "missing"])
def test_messages_of_a_store_hide_them(address: str, failing: str, vault: type[Vault]) -> None:
    files = StoreFiles(address)
    vault.failing = failing
    with pytest.raises((StorageFailed, FileNotFoundError)) as failed:
        files.read("rows/a")
    said = "".join(traceback.format_exception(failed.value))
    assert_hidden(said.replace(__file__, ""))
    assert_hidden(repr(failed.value))


@pytest.mark.parametrize(
    "address", ["s3://KEY:SE/CRET@b", "no-such://me:p@ss@h?sig=abc123", "me:p@ss@h", "KEY:SE/CRET@b"]
)
def test_refusals_of_a_store_hide_them(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml_of(lengths=2, shares=2, seeds=1), encoding="utf-8")
    assert main(["sweep", "small.yaml", "--store", address]) == 2
    output = capsys.readouterr()
    assert output.err.startswith("iclscope: store")
    assert_hidden(output.err)
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize("address", ["me:p@ss@h", "ray://me:p@ss@h:10001", "127.0.0.1:1?x=hush"])
def test_refusals_of_a_cluster_hide_them(address: str) -> None:
    assert_hidden(str(bad_address(address, f"ConnectionError: cannot reach {address}")))
    assert_hidden(repr(bad_address(address, "").args))


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "https://me:p@ss@h/x?sig=abc123"],
        ["show", "s3://KEY:SE/CRET@b"],
        ["llm", "evaluate", "https://me:p@ss@h/x?sig=abc123", "hf://tok1n:hush@x"],
        ["s3://KEY:SE/CRET@b"],
        ["reproduce", "li2024", "--out", "s3://KEY:SE/CRET@b"],
        ["reproduce", "li2024", "--figure", "s3://KEY:SE/CRET@b"],
    ],
)
def test_refusals_of_commands_hide_them(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    output = capsys.readouterr()
    assert_hidden(output.out + output.err)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_writes_them_nowhere_and_tells_stores_apart(tmp_path: Path, vault: type[Vault]) -> None:
    (tmp_path / "small.yaml").write_text(yaml_of(lengths=2, shares=2, seeds=1), encoding="utf-8")
    sweep = load_sweep(tmp_path / "small.yaml")
    notes = []
    for number, address in enumerate(["vault://a/KEY:SE@x", "vault://b/KEY:CRET@x", "vault://a/KEY:SE@x"]):
        run_here(sweep, tmp_path / str(number), store=address, keep_weights=False)
        for path in (tmp_path / str(number)).rglob("*"):
            assert path.is_dir() or not any(secret.encode() in path.read_bytes() for secret in ("KEY", "CRET"))
        notes.append(json.loads((tmp_path / str(number) / "sweep.json").read_text(encoding="utf-8")))
    assert [note["store"] for note in notes] == ["vault://***@x"] * 3
    assert notes[0]["store id"] == notes[2]["store id"] != notes[1]["store id"]
    assert len(notes[0]["store id"]) == 32


@pytest.mark.parametrize("out", ["s3://KEY:SE/CRET@b", "s3:/KEY:SE/CRET@b", "https://h/x?sig=abc123"])
def test_no_folder_is_named_after_an_address(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml_of(lengths=2, shares=2, seeds=1), encoding="utf-8")
    assert main(["sweep", "small.yaml", "--out", out]) == 2
    text = capsys.readouterr().err
    assert "a folder of this machine" in text
    assert_hidden(text)
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_a_folder_may_be_named_so_when_it_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StoreFiles("./a:b@c").local == tmp_path / "a:b@c"
    with pytest.raises(BadRequest, match="begins with a scheme"):
        StoreFiles("a:b@c")
