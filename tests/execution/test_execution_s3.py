"""A store on S3: a server on loopback, reached by s3fs as a user reaches a real one."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps.s3_server import KEY, SECRET, S3Server, s3_server
from sweeps.stored_files import check_whole_or_not_there
from sweeps.sweep_processes import SweepProcess, finished_in, table_in, yaml_of
from sweeps.sweep_runs import assert_same_rows

import iclscope as icl
from iclscope.cli.main import main
from iclscope.execution.stores.row_store import TRAINED
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.stores.store_files import StoreFiles
from iclscope.sweeps.file.sweep_file import load_sweep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def sweep_file(folder: Path, **sizes: int) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml_of(**{"lengths": 2, "shares": 2, "seeds": 2, **sizes}), encoding="utf-8")
    return path


def test_files_are_whole_or_not_there(server: S3Server) -> None:
    files = StoreFiles("s3://sweeps/files")
    check_whole_or_not_there(files)
    files.remove("rows/a")
    files.remove("rows/a")
    assert server.files().find("sweeps/files") == ["sweeps/files/rows/b"], "nothing half is left"


def test_a_sweep_is_killed_and_goes_on_at_once(server: S3Server, tmp_path: Path) -> None:
    """With weights; no finished trial is trained twice, and what was reserved is taken over."""
    file, address = sweep_file(tmp_path, lengths=6, steps=1000), "s3://sweeps/killed"
    with SweepProcess(tmp_path / "other", [str(file), "--out", str(tmp_path / "home")]) as home:
        assert home.ended().status == 0
    command = [str(file), "--out", str(tmp_path / "out"), "--store", address, "--keep-weights"]
    with SweepProcess(tmp_path / "ledger", command, first=server.first) as process:
        process.wait_until_training(groups=4)
        process.send(signal.SIGKILL)
        process.ended()
    before = finished_in(address)
    assert 0 < len(before) < 24
    left = StoreFiles(address).names("reserved")
    assert left, "what was under way"
    with SweepProcess(tmp_path / "ledger", command, first=server.first) as process:
        ended = process.ended()
        assert (ended.status, ended.err) == (0, "")
        assert not before & set(process.begun)
    assert_same_rows(table_in(tmp_path / "out"), table_in(tmp_path / "home"))
    # A group may have been stored, and not yet given back; nobody asks for it again.
    assert set(StoreFiles(address).names("reserved")) <= set(left)

    # Another test of the same trials, whose weights are there: nothing is trained.
    file.write_text(file.read_text(encoding="utf-8").replace("unseen}", "unseen, alpha: 0.5}"), encoding="utf-8")
    with SweepProcess(tmp_path / "ledger", command, first=server.first) as process:
        assert process.ended().status == 0
        assert process.begun == []
    trials = [planned.trial for planned in load_sweep(file).trials()]
    weights = TrialStore(StoreFiles(address), TRAINED)
    assert weights.missing(trials) == []
    assert weights.load(trials[:1]).model.W_Q.isfinite().all()


def test_two_machines_share_the_work(server: S3Server, tmp_path: Path) -> None:
    """No trial is trained by both, and both end with the whole table."""
    file = sweep_file(tmp_path, lengths=8, steps=1000)

    def sharing(name: str) -> SweepProcess:
        command = [str(file), "--out", str(tmp_path / name), "--store", "s3://sweeps/shared"]
        return SweepProcess(tmp_path / "ledger", command, first=server.first)

    with sharing("a") as one, sharing("b") as two:
        assert one.ended().status == 0
        assert two.ended().status == 0
        assert one.begun
        assert two.begun
        assert len({*one.begun, *two.begun}) == len(one.begun) + len(two.begun) == 8 * 2 * 2
    assert_same_rows(table_in(tmp_path / "a"), table_in(tmp_path / "b"))
    assert server.files().find("sweeps/shared/reserved") == []


def test_from_python_a_second_call_finds_all_rows(server: S3Server, tmp_path: Path) -> None:
    file, address = sweep_file(tmp_path), "s3://sweeps/python"
    rows = icl.sweep(file, out=tmp_path / "one", store=address)
    made = server.files().find("sweeps/python/rows")
    again = icl.sweep(file, out=tmp_path / "two", store=address)
    assert_same_rows(again, rows)
    assert again["seconds"].equals(rows["seconds"]), "they are the rows of the first call"
    assert server.files().find("sweeps/python/rows") == made


def test_keys_are_shown_and_written_nowhere(
    server: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"s3://sweeps/secret?token={SECRET}"
    assert main(["sweep", str(sweep_file(tmp_path)), "--out", str(tmp_path / "out"), "--store", address]) == 0
    output = capsys.readouterr()
    kept = server.files()
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    written += [kept.cat_file(name) for name in kept.find("sweeps")]
    for secret in (KEY, SECRET):
        assert secret not in output.out + output.err
        assert not any(secret.encode() in content for content in written)
    noted = json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8"))
    assert noted["store"] == "s3://sweeps/secret?***"


@pytest.mark.parametrize("address", ["s3://no-such-bucket/x", "s3://KEY:SE/CRET@b", "s3://Sweeps_/x"])
def test_a_bucket_that_is_not_there_is_refused(
    address: str, server: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(sweep_file(tmp_path)), "--out", str(tmp_path / "out"), "--store", address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("iclscope: store = 's3://")
    assert "SE/" not in line
    assert "CRET" not in line


def test_a_server_that_goes_away_ends_the_sweep_in_one_line(tmp_path: Path) -> None:
    with s3_server() as server:
        file = sweep_file(tmp_path, lengths=4, steps=20_000)
        command = [str(file), "--out", str(tmp_path / "out"), "--store", "s3://sweeps/gone"]
        few = f"{server.first}; os.environ['AWS_MAX_ATTEMPTS'] = '1'"
        with SweepProcess(tmp_path / "ledger", command, first=few) as process:
            process.wait_until_training()
            server.process.kill()
            ended = process.ended()
    assert ended.status == 1
    (line,) = ended.err.splitlines()
    assert line.startswith("iclscope: ")
    assert "s3://sweeps/gone failed: " in line
    assert "the same command goes on from there" in line
