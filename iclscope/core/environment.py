"""What a result was made with: versions, device, machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import torch

from iclscope import __version__
from iclscope.core.errors import require_one_of, unusable

DEVICES = ("auto", "cpu", "cuda")


def chosen_device(name: str) -> torch.device:
    """The device of that name; auto is a CUDA device if there is one.

    Raises:
        BadRequest: if there is no such device, naming those there are.
    """
    require_one_of("device", name, DEVICES)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise unusable("device", "cuda", "no CUDA device is available here; auto or cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def environment(device: torch.device) -> dict[str, str]:
    """Versions, device and cores, for ``run.json`` and the report."""
    packages = ("torch", "numpy", "scipy", "scikit-learn", "polars")
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {os.cpu_count()} cores"
    return {
        "iclscope": __version__,
        "Python": platform.python_version(),
        **{package: version(package) for package in packages},
        "device": where,
        "platform": f"{platform.system()} {platform.machine()}",
    }
