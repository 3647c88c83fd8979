"""The Goodhart Trap: a grid world in which agents are paid for a proxy, and die of it.

Importing this package is cheap: torch is loaded when something here first needs it.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "MODES",
    "Config",
    "VecEnv",
    "evaluate",
    "load_config",
    "load_policy",
    "load_pretrained",
    "load_results",
    "train",
]

_HOMES = {
    "Config": "config",
    "load_config": "config",
    "MODES": "modes",
    "VecEnv": "environments.vec_env",
    "train": "training.ppo.trainer",
    "evaluate": "evaluation",
    "load_policy": "training.ppo.checkpoint",
    "load_pretrained": "pretrained",
    "load_results": "experiments.catalog",
}


def __getattr__(name: str) -> Any:
    """Import an exported name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'goodharts_lib' has no attribute '{name}'")
    return getattr(importlib.import_module(f"goodharts_lib.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
