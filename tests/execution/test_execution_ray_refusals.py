"""What no sweep is run on: no cluster, another version, no Ray; and a cluster that has no nodes yet, which is taken."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from refusals import says
from sweeps.ray_cluster import ray_cluster
from sweeps.ray_sweeps import SOURCES, jobs_of, perform_all
from sweeps.ray_work import answer

import iclscope
from iclscope.core.errors import BadRequest
from iclscope.execution.ray_address import check_address
from iclscope.execution.ray_engine import RayEngine


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", "nothing answers there (Connection refused)"),
        ("no-such-host.invalid:6379", "nothing answers there ("),
        ("127.0.0.1", "it is no HOST:PORT"),
        ("127.0.0.1:99999", "it is no HOST:PORT"),
        ("ray://127.0.0.1:10001", "it is no HOST:PORT"),
        ("a b:1", "it is no HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_refused(address: str, why: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        RayEngine(address)
    text = str(refusal.value)
    assert text.startswith("--address: expected HOST:PORT of the head")
    assert says(text, f"got {address!r}; {why}")
    assert "\n" not in text


def test_another_server_is_refused_in_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(BadRequest, match="what answers there is no Ray cluster"):
            check_address(f"127.0.0.1:{server.getsockname()[1]}", patience=3.0)
        assert time.monotonic() - started < 10


def test_without_ray_the_engine_is_refused() -> None:
    program = "import sys; sys.modules['ray'] = None\nfrom iclscope.execution.ray_engine import RayEngine\nRayEngine()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "iclscope.core.errors.BadRequest: --engine = 'ray': ray is not installed; run pip install 'iclscope[ray]'"
    )


@pytest.mark.slow
def test_a_cluster_may_grow_but_not_with_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(iclscope.__file__).parent
    shutil.copytree(package, tmp_path / "old" / "iclscope", ignore=shutil.ignore_patterns("__pycache__"))
    start = tmp_path / "old" / "iclscope" / "__init__.py"
    start.write_text(start.read_text(encoding="utf-8").replace(iclscope.__version__, "0.0.1"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # nodes look into this process's folder first
    with ray_cluster(nodes=0) as cluster:
        with pytest.warns(UserWarning, match=r"has no CPU now.*; trials wait"):
            engine = RayEngine(cluster.address)
        with engine:
            cluster.add_node()
            assert len(perform_all(engine, jobs_of(tmp_path, 3), answer)) == 3
            cluster.nodes[0].kill()
            cluster.add_node({"PYTHONPATH": os.pathsep.join(map(str, (tmp_path / "old", *SOURCES)))}).wait()
            with pytest.raises(BadRequest, match=r"^iclscope on a node of the cluster: expected .*, got 0.0.1"):
                perform_all(engine, jobs_of(tmp_path, 1), answer)
        text = rf"expected HOST:PORT.*127.0.0.1 has iclscope 0.0.1, and here it is {iclscope.__version__}"
        with pytest.raises(BadRequest, match=text):
            RayEngine(cluster.address)
