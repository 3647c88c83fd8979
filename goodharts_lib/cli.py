"""What all commands share: one-sentence errors, and a configuration that says where it is from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from goodharts_lib.config import Config, load_config
from goodharts_lib.errors import UserError

LOCAL_CONFIG = Path("config.toml")


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Names a default where there is one: "(default: None)" and "(default: False)" say nothing."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence. No abbreviations."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Help)
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UserError(f"{message} (see --help).")


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``, ``--device`` and ``--threads``."""
    parser.add_argument("--config", metavar="FILE", help="a TOML file instead of ./config.toml")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: GOODHARTS_DEVICE, "
                        "then [runtime] device)", default=argparse.SUPPRESS)  # fmt: skip
    parser.add_argument("--threads", type=int, help="CPU threads (default: [runtime] threads)",
                        default=argparse.SUPPRESS)  # fmt: skip


def seed(text: str) -> int:
    """Parse a seed."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{value} is not in [0, 2^63)")
    return value


def count(text: str) -> int:
    """Parse how many: at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def command_config(args: argparse.Namespace, flags: Mapping[str, Any]) -> tuple[Config, str]:
    """Build the configuration of a command and say where it comes from.

    Args:
        args: parsed arguments, with those of `add_config_arguments`.
        flags: overrides from other arguments, by full key.

    Raises:
        UserError: the file or a value is wrong.
    """
    path = Path(args.config) if args.config else None
    if path is None and LOCAL_CONFIG.is_file():
        path = LOCAL_CONFIG
    overrides = dict(flags)
    for name in ("device", "threads"):
        if hasattr(args, name):
            overrides[f"runtime.{name}"] = getattr(args, name)
    origin = ["shipped defaults"]
    if path is not None:
        origin.append(str(path))
    if os.environ.get("GOODHARTS_DEVICE"):
        origin.append("GOODHARTS_DEVICE")
    origin += [f"{key}={value}" for key, value in overrides.items()]
    return load_config(path, overrides), "Configuration: " + " + ".join(origin)
