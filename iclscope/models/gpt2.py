"""GPT-2 as an in-context learner: Hugging Face's model between a linear read-in and a linear read-out.

The backbone of Garg 2022 and of the multi-layer experiments of Li 2024: no dropout, no vocabulary, one real number as
prediction. The backbone is transformers' own ``GPT2Model``; every weight of it gets a leading run axis, and one run is
read at a time (or all at once through ``torch.func.vmap``, which pays on a GPU only; docs/performance.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from iclscope.core.arguments import expect_instance, seeds_from
from iclscope.core.errors import require
from iclscope.core.overrides import is_plain
from iclscope.models.gpt2_config import GPT2TransformerConfig
from iclscope.models.initial_gpt2 import initial_values
from iclscope.models.run_model import Matrix, RunModel
from iclscope.tasks import ExamplePrompts, FunctionClass, Task
from iclscope.tasks.examples import InContextExamples, Tokens, examples_of
from iclscope.tasks.prompts import Sampler, TrainingPrompts

_TOKENS_AT_ONCE = 2048
_IMPORTING = threading.Lock()


class GPT2Prediction(NamedTuple):
    """What the model says of a batch of prompts.

    Attributes:
        output: a number per prediction: [run, batch] at the query, [run, batch, points] at every x.
        attention: softmax weights of every layer and head, from token to token; None unless asked for.
        hidden: activations of the MLP neurons of every layer at every token; None unless asked for.
    """

    output: Float[Tensor, "run batch *points"]
    attention: Float[Tensor, "run batch layer head token token"] | None
    hidden: Float[Tensor, "run batch layer token neuron"] | None


class _Network(nn.Module):
    """The forward pass of a single run: read-in, transformers' GPT-2, read-out."""

    def __init__(self, config: GPT2TransformerConfig) -> None:
        super().__init__()
        self.read_in = nn.Linear(config.token_width, config.embedding)
        # Imported lazily: takes about a second. Two threads importing it at once would break it.
        with _IMPORTING:
            from transformers import GPT2Config, GPT2Model
        settings = GPT2Config(
            vocab_size=1,
            bos_token_id=None,
            eos_token_id=None,
            n_positions=config.positions,
            n_embd=config.embedding,
            n_layer=config.layers,
            n_head=config.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            # The same function as GPT-2's own gelu_new, computed in one operation instead of eight.
            activation_function="gelu_pytorch_tanh",
        )
        self.backbone = GPT2Model(settings)
        self.backbone.wte = None  # type: ignore[assignment]  # tokens are vectors; an embedding of words would be a weight without gradient
        if not config.final_norm:
            self.backbone.ln_f = nn.Identity()  # type: ignore[assignment]
        self.read_out = nn.Linear(config.embedding, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        states = self.backbone(inputs_embeds=self.read_in(tokens)).last_hidden_state
        output: Tensor = self.read_out(states)[..., 0]
        return output


class GPT2Transformer(RunModel[GPT2TransformerConfig]):
    """Many GPT-2 models of equal sizes, one per run.

    Attributes:
        stacking: "loop" reads one run after the other, "vmap" all at once.
        threads: how many threads share a batch in the compiled steps of one run; 1, unless you set it. Sums are then
            rounded otherwise, and several runs of a sweep use the cores better side by side.
    """

    config_type = GPT2TransformerConfig
    probes: ClassVar[Mapping[str, str]] = {"layers": "iclscope.mechanism.inside:record_layers"}
    stacking: Literal["loop", "vmap"]
    threads: int

    def __init__(
        self,
        config: GPT2TransformerConfig | None = None,
        *,
        seeds: int | Sequence[int] = 1,
        configs: Sequence[GPT2TransformerConfig] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        **settings: Any,
    ) -> None:
        """Set transformers' own distribution of initial values, each run from its seed.

        Args:
            config: the sizes; leave out to give ``settings`` instead.
            seeds: one per run, or a number of runs (seeds 0, 1, …).
            configs: one config per run, all equal; instead of ``config``.
            dtype: precision of the weights.
            device: where they are.
            settings: fields of `GPT2TransformerConfig`.

        Raises:
            BadRequest: if a setting is not allowed.
        """
        require(config is None or not settings, "config", sorted(settings), "either a config or settings, not both")
        if config is not None:
            expect_instance("config", config, GPT2TransformerConfig)
            configs = [config] * len(seeds_from(seeds))
        super().__init__(seeds=seeds, configs=configs, dtype=dtype, device=device, **settings)

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Transformers' own distribution."""
        with torch.device("meta"):
            one = _Network(self.config).to(dtype)
        shapes = {name: weight.shape for name, weight in one.named_parameters()}
        config = self.config
        values = initial_values(shapes, self.seeds, layers=config.layers, device=device, initial=config.initial)
        # The same modules, with a run axis on every weight, so that names are transformers' own.
        for name, value in values.items():
            path, _, leaf = name.rpartition(".")
            one.get_submodule(path).register_parameter(leaf, nn.Parameter(value.to(dtype)))
        self.network = one
        self._made_of = tuple(type(module) for module in one.modules())
        self.threads = 1
        self.stacking = "vmap" if device.type == "cuda" and len(self.seeds) > 1 else "loop"

    def assumed_task(self) -> Task | None:
        """One of linear functions at the model's dimension, with as many examples as its positions hold."""
        if self.config.d_Y != 1:
            return None
        # A column holds the answer beside the input, so only the last one can be a query.
        predictions: Literal["query", "every"] = "query" if self.config.tokens == "columns" else "every"
        return FunctionClass(d_X=self.config.d_X, length=self.config.most_points - 1, predictions=predictions)

    @property
    def matrices(self) -> Mapping[str, Matrix]:
        """The matrices of all layers; read-in, read-out, positions, biases and norms are none."""
        kinds = {"attn.c_attn": Matrix(parts=3), "attn.c_proj": Matrix(), "mlp.c_fc": Matrix(), "mlp.c_proj": Matrix()}
        layers = range(self.config.layers)
        return {f"network.backbone.h.{i}.{name}.weight": kind for i in layers for name, kind in kinds.items()}

    def predict(self, prompts: ExamplePrompts, *, inside: bool = False) -> GPT2Prediction:
        """Read prompts; differentiable in the weights.

        Args:
            prompts: a batch per run.
            inside: also return attention weights and MLP activations of all layers (slower, much memory).

        Raises:
            BadRequest: if the prompts' dimensions are not the model's, or they have more tokens than positions.
        """
        examples = examples_of(prompts)
        tokens = self._tokens_of(examples)
        attention = hidden = None
        if inside:
            output, attention, hidden = self._read_inside(tokens.values)
        elif torch.is_grad_enabled():
            output = self._read(tokens.values)
        else:
            # Without gradients nothing is kept, so a part at a time stays in the cache.
            parts = torch.split(tokens.values, max(1, _TOKENS_AT_ONCE // tokens.values.shape[2]), dim=1)
            output = torch.cat([self._read(part) for part in parts], dim=1)
        read = output.gather(2, tokens.read_at)
        return GPT2Prediction(read if examples.query_at is None else read[..., 0], attention, hidden)

    def tokens_of(self, prompts: ExamplePrompts) -> Tokens:
        """The prompts as the model reads them.

        Raises:
            BadRequest: if the prompts' dimensions are not the model's, or they have more tokens than positions.
        """
        return self._tokens_of(examples_of(prompts))

    def _tokens_of(self, examples: InContextExamples) -> Tokens:
        self.config.check_dimensions(examples.inputs.shape[3], examples.answers.shape[3])
        self.config.check_length(examples.inputs.shape[2] - 1)
        return examples.tokens(self.config.tokens)

    def is_as_made(self) -> bool:
        """Whether what it computes is known: a derived class, another ``predict``, module or hook may differ."""
        modules = list(self.network.modules())
        hooked = any(module._forward_hooks or module._forward_pre_hooks for module in modules)
        made = tuple(type(module) for module in modules) == self._made_of
        return (
            made
            and not hooked
            and type(self) is GPT2Transformer
            and is_plain(self, GPT2Transformer, "predict", "tokens_of")
        )

    def compiled_gradients(self, sampler: Sampler, loss: str, optimizer: str) -> Callable[..., Any] | None:
        """Compiled ones on a CPU, under any update rule."""
        del optimizer
        from iclscope.models.gpt2_engine.gradients import gpt2_gradients

        return gpt2_gradients(self, sampler, loss)

    def bfloat16_gradients(self, sampler: Sampler, loss: str) -> Callable[..., Any] | None:
        """Compiled ones in float32, on a processor with AVX512-BF16."""
        from iclscope.models.gpt2_engine.gradients import gpt2_gradients

        return gpt2_gradients(self, sampler, loss, bfloat16=True)

    def answers(
        self, sampler: Sampler, sizes: Iterable[tuple[int, int]], *, purpose: str, neurons: Tensor | None = None
    ) -> Iterator[tuple[Tensor, TrainingPrompts]]:
        """The same by compiled steps where there are some; outputs differ in rounding only."""
        from iclscope.models.gpt2_engine.engine import Engine, is_compiled

        if neurons is not None or not is_compiled(self):
            yield from super().answers(sampler, sizes, purpose=purpose, neurons=neurons)
            return
        engine = Engine(self)
        for step, size in sizes:
            prompts: Any = sampler.prompts(size, purpose=purpose, step=step)
            said = engine.outputs(self.tokens_of(prompts))
            yield said.reshape(prompts.labels.shape), prompts

    def _weights_of_runs(self) -> list[dict[str, Tensor]]:
        """The weights of each run, by name."""
        names = [name for name, _ in self.network.named_parameters()]
        runs = zip(*(weight.unbind(0) for weight in self.network.parameters()), strict=True)
        return [dict(zip(names, weights, strict=True)) for weights in runs]

    def _read(self, tokens: Float[Tensor, "run batch token width"]) -> Float[Tensor, "run batch token"]:
        """The output at every token."""
        if self.stacking == "vmap":
            # The fused attention kernels have no rule for stacking weights; the plain products have.
            self.network.backbone.config._attn_implementation = "eager"
            stacked = dict(self.network.named_parameters())
            output: Tensor = vmap(lambda w, t: functional_call(self.network, w, (t,)))(stacked, tokens)
            return output
        self.network.backbone.config._attn_implementation = "sdpa"
        runs = zip(self._weights_of_runs(), tokens, strict=True)
        return torch.stack([functional_call(self.network, weights, (one,)) for weights, one in runs])

    def _read_inside(self, tokens: Float[Tensor, "run batch token width"]) -> tuple[Tensor, Tensor, Tensor]:
        """The output at every token, with attention weights and MLP activations of every layer."""
        seen: dict[str, list[Tensor]] = {"attention": [], "hidden": []}
        hooks = []
        for layer in range(self.config.layers):
            attn = self.network.get_submodule(f"backbone.h.{layer}.attn")
            hooks.append(attn.register_forward_hook(lambda _m, _i, out: seen["attention"].append(out[1])))
            act = self.network.get_submodule(f"backbone.h.{layer}.mlp.act")
            hooks.append(act.register_forward_hook(lambda _m, _i, out: seen["hidden"].append(out)))
        # The fused kernels do not return their weights.
        self.network.backbone.config._attn_implementation = "eager"
        outputs, attentions, activations = [], [], []
        try:
            for weights, one in zip(self._weights_of_runs(), tokens, strict=True):
                outputs.append(functional_call(self.network, weights, (one,)))
                attentions.append(torch.stack(seen["attention"], dim=1))
                activations.append(torch.stack(seen["hidden"], dim=1))
                seen["attention"].clear()
                seen["hidden"].clear()
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(outputs), torch.stack(attentions), torch.stack(activations)

    def backbone(self, run: int = 0) -> nn.Module:
        """A plain ``transformers.GPT2Model`` with one run's weights, for any tool that reads such models.

        Its word embeddings are not used: give it ``inputs_embeds``, the read-in of the tokens. Where the model has no
        ``final_norm``, neither has it: its ``ln_f`` changes nothing.
        """
        config = deepcopy(self.network.backbone.config)
        config._attn_implementation = "sdpa"
        with torch.device("meta"):  # draws nothing from PyTorch's generator
            plain = type(self.network.backbone)(config)
        if not self.config.final_norm:
            plain.ln_f = nn.Identity()  # type: ignore[assignment]
        weights = {
            name.removeprefix("network.backbone."): tensor[run].clone()
            for name, tensor in self.state_dict().items()
            if name.startswith("network.backbone.")
        }
        weights["wte.weight"] = torch.zeros(1, self.config.embedding, dtype=self.dtype, device=self.device)
        plain.load_state_dict(weights, assign=True)
        return plain

    @classmethod
    def configs_of(cls, noted: Mapping[str, Any]) -> list[Any]:
        """The configs of all runs; checkpoints of up to version 0.3 have one for all."""
        if "config" in noted:
            return [GPT2TransformerConfig(**noted["config"])] * len(noted["seeds"])
        return super().configs_of(noted)
