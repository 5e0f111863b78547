"""Whether a model of the Hugging Face hub can be had, asked once, so that a missing network is told at once."""

from __future__ import annotations

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is that of the hub's client
    HFValidationError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from iclscope.core.errors import BadRequest, refused

_PATIENCE = 10.0
"""Seconds that the hub may take to answer."""


def is_only_cached(name: str, revision: str | None) -> bool:
    """Whether a model was fetched before and the hub cannot be reached now.

    Raises:
        BadRequest: if the hub knows no such model or revision, or cannot be reached and the model was never fetched.
    """
    try:
        fetched = isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
        HfApi().model_info(name, revision=revision, timeout=_PATIENCE)
    except HFValidationError as error:
        raise _refusal(name, "a folder, a GGUF file, or a name of the Hugging Face hub, as owner/model") from error
    except RevisionNotFoundError as error:
        raise refused("--revision", revision, f"one that {name} has on the hub") from error
    except RepositoryNotFoundError as error:
        allowed = "a model that the hub has and you may read (hf auth login lets you read your own and gated ones)"
        raise _refusal(name, allowed) from error
    except (HTTPError, OSError) as error:
        if not fetched:
            allowed = (
                "a folder, a GGUF file, or a model of the Hugging Face hub that can be reached or was fetched before"
            )
            raise _refusal(name, allowed) from error
        return True
    return False


def _refusal(name: str, allowed: str) -> BadRequest:
    return refused("MODEL", name, allowed)
