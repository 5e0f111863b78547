"""What an address holds for its server alone is shown nowhere and written nowhere."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import fsspec
import jaxtyping
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import iclscope as icl
from iclscope.cli.main import main
from iclscope.core.addresses import shown_address, without_secrets

SECRETS = ("SECRET", "CRET", "KEYID", "TOKEN")
SWEEP = """
base:
  task: {kind: linear_regression, d_X: 2, length: 3}
  model: {kind: linear_attention, d_X: 2}
  training: {loss: squared, optimizer: adam, learning_rate: 0.01, steps: 2, batch_size: 4}
seeds: 1
tests: {own: {prompts: 16}}
"""


def leaked(text: str) -> list[str]:
    return [word for word in SECRETS if word in text]


class Vault(MemoryFileSystem):  # type: ignore[misc]
    """A store in memory that repeats the whole address it was given when something goes wrong."""

    protocol = "vault"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    cachable = False
    open_to_all = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        inside = path.removeprefix("vault://").rpartition("@")[2].partition("?")[0]
        return "/" + inside.strip("/") if inside.strip("/") else ""

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if not self.open_to_all and mode != "rb":
            raise PermissionError("403: vault://KEYID:SE/CRET@box/x?sig=SECRET refused (KEYID:SE/CRET)")
        return super()._open(path, mode, **options)


@pytest.fixture(scope="module", autouse=True)
def figures_are_not_drawn() -> None:
    """Here they are: nothing that is to stay secret may stand in one."""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(Vault, "store", {})
    monkeypatch.setattr(Vault, "pseudo_dirs", [""])
    fsspec.register_implementation("vault", Vault, clobber=True)
    (tmp_path / "s.yaml").write_text(SWEEP, encoding="utf-8")


ADDRESSES = [
    ("sftp://me:p@SECRET@host/place", "host/place"),
    ("s3://KEYID:SE/CRET@bucket/place", "bucket/place"),
    ("https://host/place?sig=SECRET", "host/place"),
    ("https://host/place?se=1&sig=SECRET%2F%3D#TOKEN", "host/place"),
    ("hf://TOKEN:SECRET@datasets/place", "datasets/place"),
    ("hf://TOKEN@datasets/place", "datasets/place"),
    ("s3://KEYID:SECRET@bucket", "bucket"),
    ("simplecache::s3://KEYID:SE/CRET@bucket/place", "bucket/place"),
    ("https://me:SECRET@[::1]:8080/place", "[::1]:8080/place"),
    ("sftp://me:SEC%40CRET@host:22/place", "host:22/place"),
    ("HTTPS://me:SECRET@host/place?SECRET", "host/place"),
    ("s3://KEYID:a:b@c/SECRET@bucket/place", "bucket/place"),
]


@pytest.mark.parametrize(("address", "kept"), ADDRESSES)
def test_what_is_shown_of_an_address_is_its_place(address: str, kept: str) -> None:
    shown = shown_address(address)
    assert not leaked(shown)
    assert kept in shown
    assert shown.partition("://")[0] == address.partition("://")[0]


@pytest.mark.parametrize(("address", "kept"), ADDRESSES)
def test_texts_with_addresses_in_them_lose_the_secrets_alone(address: str, kept: str) -> None:
    told = without_secrets(f"cannot read '{address}': denied, see {address} (twice)")
    assert not leaked(told)
    assert told.startswith("cannot read '")
    assert kept in told


@pytest.mark.parametrize("name", ["runs/a@b", "/tmp/x?y#z", "C@1;2", "mail me@host"])
def test_a_path_of_this_machine_stays_whole(name: str) -> None:
    assert shown_address(name) == name


@pytest.mark.parametrize("address", [ADDRESSES[number][0] for number in (1, 3, 4)])
@pytest.mark.parametrize(
    "command",
    [
        ("sweep", "s.yaml", "--dry-run", "--out", "ADDRESS"),
        ("sweep", "ADDRESS"),
        ("show", "ADDRESS"),
        ("plot", "ADDRESS"),
        ("evaluate", "ADDRESS"),
        ("reproduce", "li2024", "--figure", "nothing", "--out", "ADDRESS"),
        ("llm", "evaluate", "ADDRESS", "words"),
        ("llm", "evaluate", "nowhere/at-all", "ADDRESS"),
        ("sweep", "s.yaml", "--engine", "local", "--address", "ADDRESS"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_no_command_repeats_a_secret_when_it_refuses(
    command: tuple[str, ...],
    address: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([address if word == "ADDRESS" else word for word in command]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert not leaked(told.out + told.err)


@pytest.mark.parametrize("address", ["vault://KEYID:SE/CRET@box/kept", "vault://KEYID:p@SECRET@box/kept?sig=TOKEN"])
def test_a_sweep_into_a_store_with_secrets_writes_them_nowhere(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["sweep", "s.yaml", "--store", address, "--out", "out", "--keep-weights"]) == 0
    assert main(["sweep", "s.yaml", "--store", address, "--out", "out", "--dry-run"]) == 0
    assert main(["show", "out"]) == 0
    assert main(["plot", "out", "--x", "seed"]) in (0, 2)
    told = capsys.readouterr()
    assert not leaked(told.out + told.err)
    assert "1 found in the store" in told.out
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "sweep.json" for path in written)
    for path in written:
        assert not leaked(str(path.relative_to(tmp_path)) + path.read_bytes().decode("latin-1")), path
    assert any("store.json" in name for name in Vault.store)
    for name, file in Vault.store.items():
        assert not leaked(name + file.getvalue().decode("latin-1")), name


def test_a_store_that_repeats_its_address_in_an_error_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Vault, "open_to_all", False)
    assert main(["sweep", "s.yaml", "--store", "vault://KEYID:SE/CRET@box/x?sig=SECRET", "--out", "out"]) in (1, 2)
    told = capsys.readouterr()
    assert not leaked(told.out + told.err)
    assert "vault://" in told.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or not leaked(path.read_bytes().decode("latin-1")), path


def test_from_python_the_whole_traceback_is_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vault, "open_to_all", False)
    address = "vault://KEYID:SE/CRET@box/x?sig=SECRET"
    with pytest.raises(Exception, match="vault://") as caught:
        icl.sweep("s.yaml", store=address, out="out")
    told = traceback.format_exception_only(caught.value)
    assert not leaked("".join(told))
    rows: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        rows.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not leaked("\n".join(rows))


@pytest.mark.parametrize(
    "call",
    [
        lambda address: icl.sweep_rows(address),
        lambda address: icl.sweep(address),
        lambda address: icl.models.load_model(address),
        lambda address: icl.language_models.evaluate("nowhere/at-all", address),
        lambda address: icl.reproduce("li2024", figures=["nothing"], out=address),
        lambda address: icl.evaluate(address, icl.tasks.LinearRegression()),
        lambda address: icl.train(address, icl.tasks.LinearRegression()),
        lambda address: icl.reproduce(address),
        lambda address: icl.sweep("s.yaml", engine="ray", address=address.replace("ADDRESS", "")),
    ],
)
def test_refusals_in_python_repeat_no_secret(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for callers, who have no checks of types
    with pytest.raises(icl.BadRequest) as refused:
        call("s3://KEYID:SE/CRET@bucket/place?sig=TOKEN")
    assert not leaked(str(refused.value))
