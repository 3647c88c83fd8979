"""Configuration: frozen dataclasses, built once from config.toml and overrides. Strict.

`config.toml` beside this file owns every default. The classes below own names, types and ranges.
An unknown key, a wrong type or an impossible value raises a `UserError` with the key's full name.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from goodharts_lib.errors import UserError, nearest
from goodharts_lib.sections import merge, read_toml, unflatten
from goodharts_lib.values import Range, checked

Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]
Size = Annotated[int, Range(1, 10_000)]
Worlds = Annotated[int, Range(1, 65_536)]  # with grids of the shipped size: 6 GB
Share = Annotated[float, Range(0.0, 1.0)]
Weight = Annotated[float, Range(0.0, 1e3)]
Energy = Annotated[float, Range(-1e6, 1e6, tenths=True)]
Interestingness = Annotated[float, Range(-1e3, 1e3)]


@dataclass(frozen=True)
class World:
    """Size and topology of the grid."""

    width: Size
    height: Size
    loop: bool


@dataclass(frozen=True)
class Agent:
    """Body of an agent: eyes, energy, mortality."""

    view_range: Annotated[int, Range(1, 50)]
    energy_start: Annotated[float, Range(0.1, 1e6, tenths=True)]
    energy_move_cost: Annotated[float, Range(0.0, 1e6, tenths=True)]
    mortal: bool

    @property
    def view_size(self) -> int:
        """Side V of the square view."""
        return 2 * self.view_range + 1


@dataclass(frozen=True)
class Items:
    """Prices of the items (true energy and interestingness)."""

    food_energy: Energy
    poison_energy: Energy
    food_interestingness: Interestingness
    poison_interestingness: Interestingness
    prey_interestingness: Interestingness
    predator_interestingness: Interestingness
    respawn: bool


@dataclass(frozen=True)
class Observation:
    """Optics of the glow channels, for the experiments."""

    noise_std: Weight
    gap_scale: Annotated[float, Range(0.0, 1e6)]


@dataclass(frozen=True)
class Training:
    """One PPO run."""

    mode: str
    network: str
    timesteps: Positive
    n_envs: Worlds
    steps_per_env: Positive
    steps_per_episode: Positive
    learning_rate: Annotated[float | Literal["auto"], Range(1e-12, 10.0)]
    gamma: Share
    gae_lambda: Share
    eps_clip: Annotated[float, Range(1e-6, 10.0)]
    k_epochs: Positive
    n_minibatches: Positive
    entropy_coef: Weight
    value_coef: Weight
    max_grad_norm: Annotated[float, Range(1e-9)]
    adam_eps: Annotated[float, Range(1e-12, 1.0)]
    reward_scale: Weight
    shaping: bool
    shaping_scale: Weight
    min_food: Count
    max_food: Count
    min_poison: Count
    max_poison: Count
    checkpoint_interval: Positive

    @property
    def steps_per_update(self) -> int:
        """Environment steps of one rollout, and of the update that learns from it."""
        return self.n_envs * self.steps_per_env

    @property
    def updates(self) -> int:
        """Updates of a whole run: its timesteps, rounded up."""
        return -(-self.timesteps // self.steps_per_update)


@dataclass(frozen=True)
class Evaluation:
    """The fixed worlds in which agents are compared."""

    n_envs: Worlds
    steps: Positive
    food: Count
    poison: Count


@dataclass(frozen=True)
class Cloning:
    """Imitation of a scripted expert, in the worlds and with the network of `[training]`."""

    expert: str
    samples: Positive
    held_out_samples: Positive
    epochs: Positive
    batch_size: Positive
    reward_weight: Annotated[float, Range(1e-3, 1e3)]
    visibility_weight: Annotated[float, Range(1e-3, 1e3)]
    synthetic: Count
    dagger_rounds: Count
    evaluation_envs: Worlds


@dataclass(frozen=True)
class Runtime:
    """Where and how numbers are computed."""

    device: str
    hsa_override_gfx_version: str
    precision: Literal["auto", "float32", "bfloat16"]
    memory_format: Literal["auto", "contiguous", "channels_last"]
    threads: Annotated[int, Range(0, 4096)]
    deterministic: bool


@dataclass(frozen=True)
class Config:
    """A complete description of a world and a training run, apart from the seed.

    Build it with `load_config`; change it with `with_overrides`.
    """

    world: World
    agent: Agent
    items: Items
    observation: Observation
    training: Training
    evaluation: Evaluation
    cloning: Cloning
    runtime: Runtime

    def __post_init__(self) -> None:
        """Refuse combinations that make no world."""
        _check_combinations(self)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Config:
        """Return a copy with some values replaced, e.g. ``{"agent.mortal": True}``.

        Raises:
            UserError: an unknown key, a wrong type or an impossible value.
        """
        table = self.to_dict()
        merge(table, unflatten(overrides), "override")
        return Config.from_dict(table)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain sections of plain values, as stored with models and logs."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Mapping[str, Any]]) -> Config:
        """Build a configuration from `to_dict`'s output, checking every value.

        What is stored without `[cloning]` gets the shipped one: no world and no PPO run reads it.

        Raises:
            UserError: a missing or unknown key, a wrong type or an impossible value.
        """
        sections = get_type_hints(cls)
        for name, values in table.items():
            if name not in sections:
                raise UserError(f"unknown section '{name}'{nearest(name, sections)}.")
            if not isinstance(values, Mapping):
                raise UserError(f"section '{name}' must hold keys and values, not {values!r}.")
        if "cloning" not in table:
            table = {**table, "cloning": _shipped()["cloning"]}
        return cls(**{name: _build(kind, name, table) for name, kind in sections.items()})


def load_config(
    path: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Load the shipped defaults, then a file, then `GOODHARTS_DEVICE`, then overrides.

    Args:
        path: a TOML file that names only what differs. The working directory is never searched.
        overrides: full key to value, e.g. ``{"training.n_envs": 32}``.

    Raises:
        UserError: a missing or malformed file, an unknown key, a wrong type, an impossible value.
    """
    table = _shipped()
    if path is not None:
        merge(table, read_toml(Path(path)), str(path))
    if os.environ.get("GOODHARTS_DEVICE"):  # empty is as good as unset
        table["runtime"]["device"] = os.environ["GOODHARTS_DEVICE"]
    merge(table, unflatten(overrides or {}), "override")
    return Config.from_dict(table)


def _shipped() -> dict[str, dict[str, Any]]:
    text = importlib.resources.files("goodharts_lib").joinpath("config.toml")
    return tomllib.loads(text.read_text(encoding="utf-8"))


def _build(kind: Any, section: str, table: Mapping[str, Mapping[str, Any]]) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    values = table.get(section, {})
    for key in values:
        if key not in hints:
            raise UserError(f"unknown key '{section}.{key}'{nearest(key, hints)}.")
    for key in hints:
        if key not in values:
            raise UserError(f"'{section}.{key}' is missing.")
    return kind(**{k: checked(f"{section}.{k}", values[k], hint) for k, hint in hints.items()})


def _check_combinations(config: Config) -> None:
    world, agent, train = config.world, config.agent, config.training
    for low, high in (("min_food", "max_food"), ("min_poison", "max_poison")):
        if getattr(train, low) > getattr(train, high):
            raise UserError(f"'training.{low}' must not exceed 'training.{high}'.")
    size = agent.view_size
    if world.loop and size > min(world.width, world.height):
        raise UserError(
            f"'agent.view_range' {agent.view_range} needs a torus of at least {size}x{size} cells, "
            f"not {world.width}x{world.height}."
        )
    room = world.width * world.height - 1  # one cell for the agent
    counts = {
        "training": train.max_food + train.max_poison,
        "evaluation": config.evaluation.food + config.evaluation.poison,
    }
    for section, items in counts.items():
        if items >= room:
            area = f"{world.width}x{world.height}"
            raise UserError(f"the {items} items of [{section}] do not fit into {area} cells.")
    if train.n_minibatches > train.steps_per_update:
        raise UserError(
            "'training.n_minibatches' must not exceed the samples of one update "
            f"({train.n_envs} worlds x {train.steps_per_env} steps)."
        )
    if config.cloning.dagger_rounds >= config.cloning.samples:
        raise UserError("'cloning.dagger_rounds' must be less than 'cloning.samples'.")
