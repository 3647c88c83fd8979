"""Configurations as plain sections of keys and values, before anything is checked but the names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodharts_lib.errors import UserError, nearest


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        UserError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the configuration file {path}: {error.strerror}.") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError alike
        raise UserError(f"the configuration file {path} is not valid TOML: {error}.") from error


def unflatten(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return overrides, ``{"section.key": value}``, as sections of keys.

    Raises:
        UserError: a name without a section.
    """
    table: dict[str, dict[str, Any]] = {}
    for name, value in overrides.items():
        section, dot, key = name.partition(".")
        if not dot:
            raise UserError(f"'{name}' must be written as section.key, such as agent.mortal.")
        table.setdefault(section, {})[key] = value
    return table


def merge(table: dict[str, dict[str, Any]], changes: Mapping[str, Any], origin: str) -> None:
    """Write `changes` into `table`.

    Args:
        table: sections of keys.
        changes: some of them.
        origin: where the changes are from, for the sentence.

    Raises:
        UserError: a name that `table` does not have.
    """
    valid = [f"{section}.{key}" for section, keys in table.items() for key in keys]
    for section, keys in changes.items():
        if not isinstance(keys, Mapping):
            raise UserError(f"'{section}' in {origin} must be a section such as [training].")
        if not keys and section not in table:
            raise UserError(f"unknown section '{section}' in {origin}{nearest(section, table)}.")
        for key, value in keys.items():
            name = f"{section}.{key}"
            if name not in valid:
                raise UserError(f"unknown key '{name}' in {origin}{nearest(name, valid)}.")
            table[section][key] = value
