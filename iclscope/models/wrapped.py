"""Your own ``torch.nn.Module`` as a model with a run axis.

The module reads tokens as GPT-2 does, and gives a number per token or per prompt. Each run's weights come from its
seed; all runs are read at once through ``torch.func``, so a module must be a function of its weights and tokens alone.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field, create_model
from torch import Tensor, nn
from torch.func import functional_call, vmap

from iclscope.core.arguments import brief, expect
from iclscope.core.errors import BadRequest, Refusal, require
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.tasks import ExamplePrompts, Task
from iclscope.tasks.examples import TokenFormat, examples_of

_SEEDING = threading.Lock()
"""PyTorch has one generator for all threads; initial values are drawn with it one model at a time."""


class ModulePrediction(NamedTuple):
    """What a module predicts for a batch of prompts.

    Attributes:
        output: a number per prediction: [run, batch] at the query, [run, batch, points] at every x.
        attention: None: a module does not tell.
        hidden: None likewise.
    """

    output: Float[Tensor, "run batch *points"]
    attention: None = None
    hidden: None = None


class ModuleConfig(ModelConfig):
    """Sizes of a wrapped module; what its constructor takes beside the width of a token are further fields."""

    tokens: TokenFormat = Field("alternating", description="columns [x; y], or x and y in turn")

    @property
    def token_width(self) -> int:
        """Numbers per token."""
        d_Y: int = getattr(self, "d_Y", 1)
        return self.d_X + d_Y if self.tokens == "columns" else max(self.d_X, d_Y)

    def check_task(self, task: Task) -> None:
        """Refuse other dimensions, and columns where every x is a query: a column holds the answer beside the input."""
        own = (self.d_X, getattr(self, "d_Y", 1))
        require((task.d_X, task.d_Y) == own, "(d_X, d_Y) of a task", (task.d_X, task.d_Y), f"{own}, the model's")
        allowed = "alternating, to predict at every x"
        require(self.tokens == "alternating" or task.query_only, "tokens", self.tokens, allowed)


class WrappedModule(RunModel[ModuleConfig]):
    """Many modules of equal sizes, one per run; `from_module` makes a class of them."""

    config_type: ClassVar[type[Any]] = ModuleConfig
    make: ClassVar[Callable[..., nn.Module]]

    def set_initial_weights(self, dtype: torch.dtype, device: torch.device) -> None:
        """Those that the constructor draws after ``torch.manual_seed`` of each run's seed, on a CPU."""
        modules = [self._made(config, seed) for config, seed in zip(self.configs, self.seeds, strict=True)]
        self.module = modules[0].to(device=device, dtype=dtype)
        for kind, register in (("named_parameters", "register_parameter"), ("named_buffers", "register_buffer")):
            for name, first in list(getattr(self.module, kind)()):
                values = [dict(getattr(module, kind)())[name].detach() for module in modules]
                stacked = torch.stack([value.to(device=device, dtype=first.dtype) for value in values])
                path, _, leaf = name.rpartition(".")
                held = nn.Parameter(stacked, first.requires_grad) if register == "register_parameter" else stacked
                getattr(self.module.get_submodule(path), register)(leaf, held)

    def _made(self, config: ModuleConfig, seed: int) -> nn.Module:
        left_out = {"kind", "d_X", "d_Y", "tokens"}
        settings = {name: getattr(config, name) for name in type(config).model_fields if name not in left_out}
        with _SEEDING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = type(self).make(config.token_width, **settings)
        for name, part in module.named_modules():
            statistics = isinstance(part, nn.modules.batchnorm._BatchNorm)
            allowed = "LayerNorm: statistics of a batch would make a run depend on its prompts' company"
            require(not statistics, f"{name or 'module'}", type(part).__name__, allowed)
            random = isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0
            require(not random, f"{name}.p", getattr(part, "p", 0), "0: a model is a function of weights and prompts")
        return module

    def predict(self, prompts: ExamplePrompts) -> ModulePrediction:
        """Read prompts; differentiable in the weights.

        Raises:
            BadRequest: if the module gives neither a number per token nor one per prompt.
        """
        examples = examples_of(prompts)
        tokens = examples.tokens(self.config.tokens)
        weights = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        given: Tensor = vmap(lambda own, values: functional_call(self.module, own, (values,)))(weights, tokens.values)
        shape, per_token = tuple(given.shape), tuple(tokens.values.shape[:3])  # [run, batch, token]
        if shape == per_token:
            read = given.gather(2, tokens.read_at)
            return ModulePrediction(read if examples.query_at is None else read[..., 0])
        at_query = shape == per_token[:2] and examples.query_at is not None
        allowed = f"{per_token[1:]}, a number per token, or {per_token[1:2]}, one per prompt"
        if examples.query_at is None:
            allowed = f"{per_token[1:]}, a number per token: every x is a query"
        hint = "; [..., 0] takes the last axis off" if shape[-1:] == (1,) and len(shape) > 2 else ""
        require(at_query, "shape of what the module gives", shape[1:], allowed + hint)
        return ModulePrediction(given)


def from_module(
    kind: str, make: Callable[..., nn.Module], *, tokens: TokenFormat = "alternating", **settings: Any
) -> type[WrappedModule]:
    """Turn a plain module into a model with many runs.

    Give it to `iclscope.register`, or declare it as an entry point ``iclscope.models``; only then may trials, sweeps
    and checkpoints name it.

    Args:
        kind: its name there. The class that is returned is called after it, ``my_mixer`` → ``MyMixer``; a variable of
            that name lets models of it be pickled.
        make: the module's class, or a function: width of a token, and settings → the module, whose initial values may
            be random. Its forward reads tokens [batch, token, width] and gives a number per token, [batch, token], or
            per prompt, [batch]. The query is the last token.
        tokens: how prompts are written: "alternating", x and y in turn, or "columns" [x; y], one per example, the
            query's with y = 0. Of tasks that ask for a prediction at every x, only the first will do.
        settings: what ``make`` takes beside the width, with the usual value of each; they are settings of the model.

    Raises:
        BadRequest: if ``make`` makes no module from a width and these settings.

    >>> import torch, iclscope as icl
    >>> class Mean(torch.nn.Module):
    ...     def __init__(self, width, hidden):
    ...         super().__init__()
    ...         self.encode, self.answer = torch.nn.Linear(width, hidden), torch.nn.Linear(hidden, 1)
    ...     def forward(self, tokens):
    ...         return self.answer(self.encode(tokens).relu().mean(dim=1))[:, 0]
    >>> MeanReader = icl.models.from_module("mean_reader", Mean, tokens="columns", hidden=8)
    >>> model = MeanReader(d_X=2, seeds=3, hidden=16)
    >>> result = icl.train(model, icl.tasks.LinearRegression(d_X=2, length=4), steps=2, batch_size=8)
    """
    _check_make(make, settings)
    fields: dict[str, Any] = {name: (type(value), value) for name, value in settings.items()}
    fields["kind"] = (Literal[kind], kind)
    config = create_model(
        f"{class_name(kind)}Config",
        __base__=ModuleConfig,
        __module__=make.__module__,
        d_X=(int, Field(10, ge=1, description="input dimension")),
        d_Y=(int, Field(1, ge=1, description="dimension of an answer")),
        tokens=(TokenFormat, tokens),
        **fields,
    )
    body = {"config_type": config, "make": staticmethod(make), "__module__": make.__module__, "__doc__": make.__doc__}
    return type(class_name(kind), (WrappedModule,), body)


def _check_make(make: Any, settings: Mapping[str, Any]) -> None:
    """Refuse what cannot be called with a width and these settings."""
    hint = "give its class, as models make one module per seed" if isinstance(make, nn.Module) else ""
    expect(callable(make) and not isinstance(make, nn.Module), "make", make, "a class of modules, or a function", hint)
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # of what is written in C
        return
    try:
        signature.bind(1, **settings)
    except TypeError as error:
        wanted = f"what takes ({', '.join(['width', *settings])})"
        raise BadRequest(Refusal("make", f"{brief(make)} with {signature}", wanted, str(error))) from error


def class_name(kind: str) -> str:
    """The name of the class of a kind: ``my_mixer`` → ``MyMixer``."""
    return "".join(part[:1].upper() + part[1:] for part in kind.split("_"))
