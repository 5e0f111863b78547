"""A store on another machine: an SSH server on loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps.ssh_server import PASSWORD, USER
from sweeps.stored_files import check_whole_or_not_there
from sweeps.sweep_processes import SweepProcess, finished_in, table_in, yaml_of
from sweeps.sweep_runs import assert_same_rows

from iclscope.execution.stores.row_store import RowStore
from iclscope.execution.stores.store_files import StoreFiles


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which an SSH server serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(__file__).parents[1] / "sweeps" / "ssh_server.py"
    with subprocess.Popen([sys.executable, str(program), str(folder), str(port)], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield folder, f"sftp://{USER}:{PASSWORD}@127.0.0.1:{port}/sweeps"
        finally:
            server.kill()


@pytest.mark.slow
def test_files_elsewhere_are_whole_or_not_there(served: tuple[Path, str]) -> None:
    folder, address = served
    files = StoreFiles(address)
    check_whole_or_not_there(files)
    assert sorted(path.name for path in (folder / "sweeps" / "rows").iterdir()) == ["a", "b"], "nothing half is left"
    files.remove("rows/a")
    files.remove("rows/a")
    assert files.names("rows") == ["rows/b"]
    assert PASSWORD not in files.address


@pytest.mark.slow
def test_a_sweep_is_killed_and_goes_on_at_a_store_elsewhere(served: tuple[Path, str], tmp_path: Path) -> None:
    """With weights; the rows are those of a store at home, and no finished trial is trained twice."""
    folder, address = served
    file, ledger = tmp_path / "small.yaml", tmp_path / "ledger"
    file.write_text(yaml_of(lengths=6, shares=2, seeds=2, steps=2000), encoding="utf-8")
    with SweepProcess(tmp_path / "other", [str(file), "--out", str(tmp_path / "home")]) as home:
        assert home.ended().status == 0
    command = [str(file), "--out", str(tmp_path / "out"), "--store", address, "--keep-weights"]
    with SweepProcess(ledger, command) as process:
        deadline = time.monotonic() + 60
        while not finished_in(folder / "sweeps") and process.running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.running
        process.send(signal.SIGKILL)
        process.ended()
    before = finished_in(folder / "sweeps")
    assert 0 < len(before) < 24
    left = {path.name for path in (folder / "sweeps" / "reserved").iterdir()}
    assert left, "what was under way"
    with SweepProcess(ledger, command) as process:
        ended = process.ended()
        assert (ended.status, ended.err) == (0, "")
        assert not before & set(process.begun)
    assert_same_rows(table_in(tmp_path / "out"), table_in(tmp_path / "home"))
    assert {path.name for path in (folder / "sweeps" / "reserved").iterdir()} <= left
    assert len(list((folder / "sweeps" / "trained").glob("*.safetensors"))) == 24
    noted = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    assert noted["store"].startswith("sftp://")
    assert PASSWORD not in json.dumps(noted), "a password is not written down"

    # Another test of the same trials, whose weights are there: nothing is trained.
    file.write_text(file.read_text(encoding="utf-8").replace("unseen}", "unseen, alpha: 0.5}"), encoding="utf-8")
    with SweepProcess(ledger, command) as process:
        assert process.ended().status == 0
        assert process.begun == []
    assert table_in(tmp_path / "out").height == 24
    store = RowStore(StoreFiles(address))
    store.refresh()
    assert store.rows().height == 48


def test_a_store_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(yaml_of(), encoding="utf-8")
    address = f"sftp://{USER}:{PASSWORD}@127.0.0.1:1/sweeps"
    with SweepProcess(tmp_path / "ledger", [str(file), "--out", str(tmp_path / "out"), "--store", address]) as process:
        ended = process.ended()
        assert ended.status == 2
        (line,) = ended.err.splitlines()
        assert line.startswith("iclscope: store: expected a folder, or an address")
        assert "got 'sftp://" in line
        assert PASSWORD not in line
        assert process.begun == []
    assert not (tmp_path / "out").exists()
