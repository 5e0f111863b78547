"""A model behind an address, served here by a tiny Llama: the same answers as when it is loaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iclscope import language_models
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.settings import ModelSource

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")

SECRET = "sk-very-secret"


class Server(ThreadingHTTPServer):
    """Answers completions as OpenAI's older models do.

    Attributes:
        language_model: what answers.
        way: how it fails; empty: not at all.
        keys: that were sent.
    """

    language_model: LanguageModel
    way = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.keys: list[str | None] = []

    def choice(self, text: str) -> dict[str, Any]:
        """One text, with what follows."""
        model: Any = self.language_model.model
        tokenizer: Any = self.language_model.tokenizer
        read = tokenizer(text, return_offsets_mapping=True)
        ids, places = read["input_ids"], read["offset_mapping"]
        with torch.inference_mode():
            log_p = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(dim=-1)
        values = [None, *(float(log_p[at - 1, ids[at]]) for at in range(1, len(ids))), -1.0]
        tokens = [text[start:end] for start, end in places] + [" more"]
        starts = [start for start, _ in places] + [len(text)]
        if self.way == "joins" and text.endswith("animal"):
            tokens[:2], values[:2], starts[:2] = ["".join(tokens[:2])], [None], [0]
        found = {"tokens": tokens, "token_logprobs": values, "text_offset": starts}
        return {"logprobs": None if self.way == "silent" else found, "text": text}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers.get("Authorization"))
        if self.path != "/v1/completions" or self.server.way == "refuses":
            self.send_error(404, "no such model")
            return
        assert asked["echo"]
        choices = [{"index": at, **self.server.choice(text)} for at, text in enumerate(asked["prompt"])]
        content = json.dumps({"choices": choices[::-1]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server(tiny_llama: LanguageModel) -> Iterator[Server]:
    """A server at work."""
    one = Server()
    one.language_model = tiny_llama
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()
    thread.join()


def source(server: Server) -> ModelSource:
    return ModelSource(name="tiny", api=f"http://127.0.0.1:{server.server_address[1]}/v1")


ASKED: dict[str, Any] = {"shots": (0, 2), "queries": 5, "draws": 2}


def test_answers_are_those_of_the_model_itself(
    server: Server, tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    remote = language_models.evaluate(source(server), **ASKED, out=tmp_path / "remote")
    here = language_models.evaluate(str(tiny_llama_folder), **ASKED, out=tmp_path / "here")
    for name in ("answer", "calibrated_answer", "answer_by_token", "demonstrations"):
        assert remote.rows[name].to_list() == here.rows[name].to_list()
    np.testing.assert_allclose(np.stack(remote.rows["score_sum"]), np.stack(here.rows["score_sum"]), atol=2e-4)
    assert any("cannot be told" in note for note in remote.notes)
    assert set(server.keys) == {f"Bearer {SECRET}"}
    for file in (tmp_path / "remote").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    asked = len(server.keys)
    language_models.evaluate(source(server), **ASKED, out=tmp_path / "remote")
    assert len(server.keys) == asked + 1  # whether it answers is tried; what was measured is kept


def test_doses_are_measured_without_learners(server: Server, tmp_path: Path) -> None:
    data = tmp_path / "films.csv"
    lines = [f"a {['good', 'bad'][i % 2]} film of the {i}th kind,{['positive', 'negative'][i % 2]}" for i in range(60)]
    data.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    asked: dict[str, Any] = {"shots": (2, 4), "alphas": (0, 0.5, 1), "queries": 3, "draws": 1}
    done = language_models.dose(source(server), str(data), **asked, out=tmp_path / "out")
    assert {one.claim.id for one in done.claims} == {"dose-alpha", "dose-exchange", "dose-repair"}
    assert "logistic_correct" not in done.rows.columns


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("silent", "an address that answers log-probabilities of the prompt"),
        ("joins", "reads a prompt alike whichever label follows"),
        ("refuses", "an address that answers, .* it says 404"),
    ],
)
def test_servers_that_cannot_be_measured(way: str, message: str, server: Server, tmp_path: Path) -> None:
    server.way = way
    with pytest.raises(BadRequest, match=message) as refused:
        language_models.evaluate(source(server), **ASKED, out=tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_what_needs_weights_is_refused(server: Server, tmp_path: Path) -> None:
    for ask in (language_models.attention, language_models.measure_pruning, language_models.compare_selectors):
        with pytest.raises(BadRequest, match="--api: expected evaluate and dose"):
            ask(source(server), out=tmp_path / "out", queries=30)
        assert not (tmp_path / "out").exists()


def test_addresses_that_are_none() -> None:
    with pytest.raises(BadRequest, match="begins with http:// or https://"):
        ModelSource(name="m", api="file:///etc/passwd")
    with pytest.raises(BadRequest, match="--dtype: expected nothing with --api"):
        ModelSource(name="m", api="http://localhost", dtype="float32")
    with pytest.raises(BadRequest, match="an address that answers"):
        language_models.evaluate(ModelSource(name="m", api="http://127.0.0.1:9/v1"), queries=2)
