"""Checkpoints of either model: bit-exact, whole or not at all, and never taken for the other's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_gpt2_transformers import FUNCTIONS, PATTERNS, scrambled

from iclscope.core.errors import BadRequest
from iclscope.models import GPT2Transformer, Model, SoftmaxReLUTransformer, load_model, pretrained
from iclscope.tasks import FunctionClass, PatternClassification, PatternShift

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ELSEWHERE = PatternClassification(
    M1=6, M2=3, d_X=20, d_Y=1, length=(2, 5), training_tasks=((0, 1), (1, 0)), check_condition=False,
    alpha=1.0, shift=PatternShift(S1=1.1, M2=2, K=0.25),
)  # fmt: skip


def gpt2(seeds: tuple[int, ...] = (3, 4), dtype: torch.dtype = torch.float32) -> GPT2Transformer:
    model = scrambled(dtype, seeds, d_X=20)
    model.trained_on = tuple(FunctionClass(length=5, noise=0.1 * seed) for seed in seeds)
    return model


def one_layer(seeds: tuple[int, ...] = (3, 4)) -> SoftmaxReLUTransformer:
    model = SoftmaxReLUTransformer(seeds=seeds, d_X=20, d_Y=1, width=3)
    model.trained_on = (ELSEWHERE,) * len(seeds)
    return model


def assert_same(model: Model, other: Model) -> None:
    assert type(model) is type(other)
    assert (model.seeds, model.trained_on) == (other.seeds, other.trained_on)
    if isinstance(model, GPT2Transformer) and isinstance(other, GPT2Transformer):
        assert model.config == other.config
    assert model.state_dict().keys() == other.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert other.state_dict()[name].dtype == weight.dtype
        assert torch.equal(other.state_dict()[name], weight), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_round_trip_is_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    model = gpt2(dtype=dtype)
    model.save_pretrained(tmp_path / "made" / "for it")
    assert sorted(path.name for path in (tmp_path / "made" / "for it").iterdir()) == [CONFIG, WEIGHTS]
    for again in (GPT2Transformer.from_pretrained(tmp_path / "made" / "for it"), load_model(tmp_path / "made/for it")):
        assert_same(model, again)
        assert_same(model.untrained(), again.untrained())
    model.run(1).save_pretrained(str(tmp_path / "text"))
    assert_same(model.run(1), GPT2Transformer.from_pretrained(str(tmp_path / "text")))


@pytest.mark.parametrize("final_norm", [True, False])
def test_what_is_loaded_says_the_same(tmp_path: Path, final_norm: bool) -> None:
    model = scrambled(torch.float32, d_X=4, final_norm=final_norm)
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert_same(model, again)
    prompts = FUNCTIONS.sampler(model.seeds).prompts(3, purpose="test")
    assert torch.equal(again.predict(prompts).output, model.predict(prompts).output)
    assert again.trained_on is None


@pytest.mark.parametrize("make", [gpt2, one_layer])
def test_either_model_is_loaded_by_its_name(tmp_path: Path, make: Callable[[], Model]) -> None:
    model = make()
    model.save_pretrained(tmp_path)
    assert_same(model, load_model(tmp_path))


@pytest.mark.parametrize(
    "task", [PATTERNS, ELSEWHERE, FunctionClass(function="decision_tree", depth=3, predictions="query"), None]
)
def test_a_checkpoint_says_what_it_was_trained_on(tmp_path: Path, task: Any) -> None:
    for model in (gpt2((3,)), one_layer((3,))):
        model.trained_on = None if task is None else (task,)
        model.save_pretrained(tmp_path / type(model).__name__)
        assert load_model(tmp_path / type(model).__name__).trained_on == model.trained_on


@pytest.mark.parametrize(
    ("saved", "asked", "names"),
    [
        (gpt2, SoftmaxReLUTransformer, "SoftmaxReLUTransformer, this is one of GPT2Transformer"),
        (one_layer, GPT2Transformer, "GPT2Transformer, this is one of SoftmaxReLUTransformer"),
    ],
)
def test_a_checkpoint_of_the_other_model_is_refused(tmp_path: Path, saved: Any, asked: Any, names: str) -> None:
    saved().save_pretrained(tmp_path)
    with pytest.raises(BadRequest, match=names) as refusal:
        asked.from_pretrained(tmp_path)
    assert str(tmp_path) in str(refusal.value)


def change_config(folder: Path, **changes: Any) -> None:
    """Change the config in both places where it is kept."""
    config = {**json.loads((folder / CONFIG).read_text(encoding="utf-8")), **changes}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"config": json.dumps(config)})


def _without_config(folder: Path) -> None:
    (folder / CONFIG).unlink()


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _truncated_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1])


def _half_the_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def _no_header(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5])


def _half_the_config(folder: Path) -> None:
    (folder / CONFIG).write_text((folder / CONFIG).read_text(encoding="utf-8")[:70], encoding="utf-8")


def _an_empty_config(folder: Path) -> None:
    (folder / CONFIG).write_text("", encoding="utf-8")


def _a_config_that_is_a_list(folder: Path) -> None:
    (folder / CONFIG).write_text("[]", encoding="utf-8")


def _the_config_of_another_save(folder: Path) -> None:
    gpt2((8, 9)).save_pretrained(folder / "other")
    (folder / CONFIG).write_text((folder / "other" / CONFIG).read_text(encoding="utf-8"), encoding="utf-8")


def _weights_with_a_broken_config_inside(folder: Path) -> None:
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"config": "{"})


def _the_weights_of_other_sizes(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({**tensors, "network.backbone.wpe.weight": torch.zeros(2, 13, 8)}, folder / WEIGHTS)


def _a_weight_too_few(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["network.read_in.bias"]
    save_file(tensors, folder / WEIGHTS)


def _a_weight_too_many(folder: Path) -> None:
    save_file({**load_file(folder / WEIGHTS), "network.extra": torch.zeros(2, 1)}, folder / WEIGHTS)


def _no_weights_at_all(folder: Path) -> None:
    save_file({}, folder / WEIGHTS)


def _another_number_of_seeds(folder: Path) -> None:
    change_config(folder, seeds=[3, 4, 5])


def _impossible_sizes(folder: Path) -> None:
    change_config(folder, config={"d_X": 20, "heads": 3})


def _no_sizes(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    change_config(folder, runs=[{} for _ in config["runs"]])


def _trained_on_an_unknown_task(folder: Path) -> None:
    change_config(folder, trained_on=[{"kind": "weather"}, {"kind": "weather"}])


def _the_config_of_a_transformers_model(folder: Path) -> None:
    (folder / CONFIG).write_text('{"model_type": "gpt2", "architectures": ["GPT2Model"]}', encoding="utf-8")


SPOILT = [
    _without_config,
    _without_weights,
    _truncated_weights,
    _half_the_weights,
    _no_header,
    _half_the_config,
    _an_empty_config,
    _a_config_that_is_a_list,
    _the_config_of_another_save,
    _weights_with_a_broken_config_inside,
    _the_weights_of_other_sizes,
    _a_weight_too_few,
    _a_weight_too_many,
    _no_weights_at_all,
    _another_number_of_seeds,
    _impossible_sizes,
    _no_sizes,
    _trained_on_an_unknown_task,
    _the_config_of_a_transformers_model,
]


@pytest.mark.parametrize("read", [GPT2Transformer.from_pretrained, load_model])
@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_checkpoint_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], read: Callable[[Path], Model]
) -> None:
    gpt2().save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(BadRequest, match="checkpoint") as refusal:
        read(tmp_path)
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    for read in (load_model, GPT2Transformer.from_pretrained):
        with pytest.raises(BadRequest, match=r"config\.json and model\.safetensors.*nowhere"):
            read(tmp_path / "nowhere")


def test_an_older_checkpoint_survives_a_save_that_fails_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = gpt2()
    old.save_pretrained(tmp_path)
    real = pretrained.save_file

    def disk_full(tensors: Any, path: Path, metadata: Any) -> None:
        real(tensors, path, metadata)
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[: len(whole) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(pretrained, "save_file", disk_full)
    with pytest.raises(OSError, match="No space"):
        gpt2((8, 9)).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG, WEIGHTS]
    assert_same(old, load_model(tmp_path))


def test_weights_and_config_of_different_saves_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that dies between its two files leaves the old model, the new one or a refusal, not half of each."""
    old, new = gpt2(), gpt2((8, 9))
    old.save_pretrained(tmp_path)

    def killed(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrained, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        new.save_pretrained(tmp_path)
    try:
        found = load_model(tmp_path)
    except BadRequest:
        return
    assert_same(old if found.seeds == old.seeds else new, found)


KILLED = textwrap.dedent(
    """
    import os, signal, sys, time
    from itertools import count
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from iclscope.models import GPT2Transformer, load_model, pretrained

    folder = Path(sys.argv[1])
    model = GPT2Transformer(layers=2, embedding=64)
    reached, reach = os.pipe()

    def fill(number):
        for weight in model.parameters():
            weight.data.fill_(number)

    def wait_to_be_killed():
        os.write(reach, b".")
        time.sleep(1000)

    def half_of_the_weights():
        whole = pretrained.save_file
        def save_half(tensors, path, metadata):
            whole(tensors, path, metadata)
            os.truncate(path, path.stat().st_size // 2)
            wait_to_be_killed()
        pretrained.save_file = save_half

    def before_the_first_move():
        Path.replace = lambda path, target: wait_to_be_killed()

    def between_the_files():
        move = Path.replace
        def moved(path, target):
            move(path, target)
            wait_to_be_killed()
        Path.replace = moved

    def half_of_the_config():
        whole = Path.write_text
        def write_half(path, text, encoding):
            whole(path, text[: len(text) // 2], encoding=encoding)
            wait_to_be_killed()
        Path.write_text = write_half

    def whenever():
        os.write(reach, b".")

    fill(0)
    model.save_pretrained(folder)
    places = [half_of_the_weights, before_the_first_move, between_the_files, half_of_the_config, *[whenever] * 8]
    for attempt, place in enumerate(places):
        child = os.fork()
        if child == 0:
            place()
            for number in count(1):
                fill(100 * attempt + number)
                model.save_pretrained(folder)
        os.read(reached, 1)
        if place is whenever:
            time.sleep(0.003 * attempt)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = {float(value) for weight in load_model(folder).state_dict().values() for value in weight.aminmax()}
        assert len(found) == 1, f"{place.__name__}: parts of several saves, {found}"
        print(place.__name__, int(found.pop()))
    """
)


def test_a_process_killed_while_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """Killed at each place where something could be left half done, and anywhere: the older checkpoint or the newer."""
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    found = [line.split() for line in process.stdout.splitlines()]
    assert found[:4] == [
        ["half_of_the_weights", "0"],
        ["before_the_first_move", "0"],
        ["between_the_files", "201"],
        ["half_of_the_config", "301"],
    ]
    assert len(found) == 12
