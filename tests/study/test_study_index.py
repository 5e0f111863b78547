"""`index.html` from the folders of several papers: what it reads back, what it leaves alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from study.tiny import put_in_place, tiny_experiment

from iclscope.claims.intervals import UpperBound
from iclscope.core.errors import BadRequest
from iclscope.study import index
from iclscope.study.reproduce import reproduce

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that holds the results of one paper."""
    put_in_place(monkeypatch, [tiny_experiment()])
    reproduce("li2024", seeds=2, out=tmp_path / "li2024")
    return tmp_path


def test_claims_are_read_back_as_they_were_judged(made: Path) -> None:
    records = json.loads((made / "li2024" / "claims.json").read_text(encoding="utf-8"))
    judged = list(index._judged("li2024", records))
    assert [one.to_json() for one in judged] == records
    assert math.isnan(judged[2].estimate.value)
    records[0] |= {"is_bound": True, "interval": [None, 0.5]}
    bound = next(iter(index._judged("li2024", records))).estimate
    assert isinstance(bound, UpperBound)
    assert (bound.low, bound.high) == (-math.inf, 0.5)


def test_the_page_shows_the_papers_there_are(made: Path) -> None:
    (made / "garg2022").mkdir()
    (made / "garg2022" / "run.json").write_text('{"made by": "somebody else"}')
    (made / "garg2022" / "claims.json").write_text("[]")
    page = index.write_index(made).read_text(encoding="utf-8")
    assert "tiny-holds" in page
    assert "garg2022" not in page
    again = index.write_index(made).read_text(encoding="utf-8")
    assert again == page


def test_a_claim_that_is_no_longer_made_is_left_out(made: Path) -> None:
    path = made / "li2024" / "claims.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    records[0]["id"] = "of-an-older-version"
    path.write_text(json.dumps(records), encoding="utf-8")
    page = index.write_index(made).read_text(encoding="utf-8")
    assert "of-an-older-version" not in page
    assert "tiny-fails" in page


def test_a_verdict_by_another_region_is_left_out(made: Path) -> None:
    path = made / "li2024" / "claims.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    records[0]["expected"] = [0.25, None]
    path.write_text(json.dumps(records), encoding="utf-8")
    page = index.write_index(made).read_text(encoding="utf-8")
    assert "tiny-holds" not in page
    assert "tiny-fails" in page


@pytest.mark.parametrize("damage", [{"settings": {}}, {"figures": None}])
def test_results_of_another_version_are_left_out(made: Path, damage: dict[str, object]) -> None:
    path = made / "li2024" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **damage}), encoding="utf-8")
    assert "li2024" not in index.write_index(made).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"<title>mine</title>", b"\xff\xfe"])
def test_a_page_that_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.html").write_bytes(content)
    for refused in (index.check_index, index.write_index):
        with pytest.raises(BadRequest, match=r"index\.html is of iclscope"):
            refused(tmp_path)
    assert (tmp_path / "index.html").read_bytes() == content
