"""The configuration: every key counts, and what makes no sense is refused by name."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import FOOD, NO_ITEMS, drawn_view, seeded, small_config

import goodharts_lib
from goodharts_lib import runtime
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES, pay_table
from goodharts_lib.training.reward_shaping import RewardShaping
from goodharts_lib.values import tenths

LIBRARY = Path(goodharts_lib.__file__).parent
SHIPPED = tomllib.loads((LIBRARY / "config.toml").read_text(encoding="utf-8"))
KEYS = {f"{section}.{key}": v for section, keys in SHIPPED.items() for key, v in keys.items()}

PPO_KEYS = [
    "training.mode",
    "training.network",
    "training.timesteps",
    "training.n_envs",
    "training.steps_per_env",
    "training.learning_rate",
    "training.gae_lambda",
    "training.eps_clip",
    "training.k_epochs",
    "training.n_minibatches",
    "training.entropy_coef",
    "training.value_coef",
    "training.max_grad_norm",
    "training.adam_eps",
    "training.checkpoint_interval",
]
EVALUATION_KEYS = ["evaluation.n_envs", "evaluation.steps", "evaluation.food", "evaluation.poison"]
CLONING_KEYS = [name for name in KEYS if name.startswith("cloning.")]


@pytest.fixture(autouse=True)
def _no_device_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)


def value_of(config: Config, name: str) -> Any:
    section, key = name.split(".")
    return getattr(getattr(config, section), key)


# --- Every key --------------------------------------------------------------

DESIGN = {
    "world": (100, 100, True),
    "agent": (5, 50.0, 0.1, False),
    "items": (10.0, -30.0, 1.0, 0.9, 0.3, 1.0, True),
    "observation": (0.0, 1.0),
    "evaluation": (128, 500, 125, 60),
    "cloning": ("omniscient_seeker", 10_000, 10_000, 12, 256, 1.0, 1.0, 0, 0, 32),
}
DESIGN_TRAINING = {
    "timesteps": 100_000,
    "n_envs": 64,
    "steps_per_env": 128,
    "steps_per_episode": 500,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "eps_clip": 0.2,
    "k_epochs": 4,
    "n_minibatches": 8,
    "entropy_coef": 0.02,
    "value_coef": 0.5,
    "max_grad_norm": 0.5,
    "adam_eps": 1e-5,
    "reward_scale": 0.1,
    "shaping": True,
    "shaping_scale": 0.5,
    "min_food": 50,
    "max_food": 200,
    "min_poison": 20,
    "max_poison": 100,
}


def test_the_shipped_numbers_are_those_of_the_design() -> None:
    config = load_config()
    for section, values in DESIGN.items():
        assert dataclasses.astuple(getattr(config, section)) == values
    training = dataclasses.asdict(config.training)
    assert {key: training[key] for key in DESIGN_TRAINING} == DESIGN_TRAINING


OTHER_WORDS = {
    "training.mode": "proxy",
    "training.network": "small_cnn",
    "training.learning_rate": 0.5,
    "cloning.expert": "food_only",
    "runtime.device": "cuda:99",
    "runtime.hsa_override_gfx_version": "11.0.0",
}


def candidates(config: Config, name: str) -> list[Any]:
    """Other values that might be valid."""
    value = value_of(config, name)
    if name in OTHER_WORDS:
        return [OTHER_WORDS[name]]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        section, key = name.split(".")
        hint = get_type_hints(type(getattr(config, section)))[key]
        assert get_origin(hint) is Literal
        return [word for word in get_args(hint) if word not in {value, "auto"}]
    if isinstance(value, int):
        return [value + 1]
    return [round(value + 0.1, 6), round(value - 0.1, 6)]


def changed(config: Config, name: str) -> Config:
    """The configuration with one key changed to another valid value."""
    for value in candidates(config, name):
        try:
            return config.with_overrides({name: value})
        except UserError:
            continue
    raise AssertionError(f"no other valid value for {name}")


@pytest.mark.parametrize("name", KEYS)
def test_another_value_makes_another_configuration(name: str) -> None:
    config = load_config()
    other = changed(config, name)
    assert value_of(other, name) != value_of(config, name)
    assert other != config
    assert other.with_overrides({name: value_of(config, name)}) == config


@pytest.mark.parametrize("name", KEYS)
def test_the_shipped_value_is_loaded(name: str) -> None:
    assert value_of(load_config(), name) == KEYS[name]


def test_the_file_and_the_classes_name_the_same_keys() -> None:
    table = load_config().to_dict()
    assert {f"{section}.{key}" for section, keys in table.items() for key in keys} == set(KEYS)


def test_every_number_has_its_reason() -> None:
    lines = (LIBRARY / "config.toml").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line and line[0] not in "[#"]
    assert len(settings) == len(KEYS)
    assert [line for line in settings if not line.partition("#")[2].strip()] == []


def test_the_file_is_the_only_owner_of_defaults() -> None:
    for section in dataclasses.fields(Config):
        for entry in dataclasses.fields(get_type_hints(Config)[section.name]):
            assert entry.default is entry.default_factory is dataclasses.MISSING, entry.name


BASE = {
    "training.min_food": 2,
    "training.max_food": 4,
    "training.min_poison": 1,
    "training.max_poison": 3,
    "training.steps_per_episode": 3,
    "runtime.device": "cpu",
    "runtime.precision": "float32",
    "runtime.memory_format": "contiguous",
    "runtime.threads": 1,
}

MAP = ".....\n.....\n.@ox.\n.....\n....."


def drawn(config: Config) -> Any:
    """What freshly drawn worlds look like."""
    env = VecEnv(config, 200, generator=seeded())
    kinds = env.grids().flatten(1)
    counts = [sorted(set((kinds == kind).sum(1).tolist())) for kind in (2, 3)]
    return env.grids().shape, env.views().shape, counts


def walked(config: Config, steps: int = 2) -> Any:
    """What becomes of an agent that eats food, then poison."""
    env = VecEnv.from_map(config.with_overrides(NO_ITEMS), MAP, generator=seeded())
    story = []
    for _ in range(steps):
        result = env.step(torch.tensor([6]))
        ends = result.terminated.item(), result.truncated.item()
        story.append((ends, env.energy.item(), (env.grids() > 1).sum().item()))
    return story


def edge(config: Config) -> Any:
    return VecEnv.from_map(config, "@...o\n.....\n....x\n.....\n.....", generator=seeded()).views()


def seen(config: Config) -> Any:
    encoder = Encoder(MODES["proxy"], config)
    counters = torch.tensor([7]) if encoder.noisy else None
    return encoder(drawn_view("ox.\n.@p\n#.!"), counters)


def paid(config: Config) -> Any:
    return [pay_table(MODES[name], config) for name in ("ground_truth", "proxy")]


def shaped(config: Config) -> Any:
    shaping = RewardShaping(MODES["ground_truth"], config)
    env = VecEnv.from_map(config, ".....\n.@o..\n.....\n.....\n.....", generator=seeded())
    bonus, _ = shaping.step(shaping.potential(env.views()), env.step(torch.tensor([0])))
    return bonus


def placed(config: Config) -> Any:
    try:
        return runtime.place(config), os.environ["HSA_OVERRIDE_GFX_VERSION"]
    except UserError as error:
        return str(error)


EFFECTS: dict[str, Callable[[Config], Any]] = {
    "world.width": drawn,
    "world.height": drawn,
    "world.loop": edge,
    "agent.view_range": drawn,
    "agent.energy_start": walked,
    "agent.energy_move_cost": walked,
    "agent.mortal": lambda config: walked(config.with_overrides({"agent.energy_start": 0.1,
                                                                 "items.food_energy": 0.0})),
    "items.food_energy": walked,
    "items.poison_energy": walked,
    "items.food_interestingness": paid,
    "items.poison_interestingness": paid,
    "items.prey_interestingness": seen,
    "items.predator_interestingness": seen,
    "items.respawn": walked,
    "observation.noise_std": seen,
    "observation.gap_scale": seen,
    "training.steps_per_episode": lambda config: walked(config, steps=3),
    "training.gamma": lambda config: shaped(config.with_overrides({"agent.view_range": 2})),
    "training.reward_scale": paid,
    "training.shaping": shaped,
    "training.shaping_scale": shaped,
    "training.min_food": drawn,
    "training.max_food": drawn,
    "training.min_poison": drawn,
    "training.max_poison": drawn,
    "runtime.device": placed,
    "runtime.hsa_override_gfx_version": placed,
    "runtime.precision": placed,
    "runtime.memory_format": placed,
    "runtime.threads": placed,
    "runtime.deterministic": placed,
}  # fmt: skip


def test_every_key_has_its_effect_tested_somewhere() -> None:
    owners = [*EFFECTS, *PPO_KEYS, *EVALUATION_KEYS, *CLONING_KEYS]
    assert sorted(owners) == sorted(KEYS)


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("name", EFFECTS)
def test_a_changed_key_has_an_effect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSA_OVERRIDE_GFX_VERSION", "")
    config = small_config(BASE)
    effect = EFFECTS[name]
    assert same(effect(config), effect(config))
    assert not same(effect(config), effect(changed(config, name)))


@pytest.mark.parametrize("name", ["items.food_interestingness", "items.poison_interestingness"])
def test_interestingness_is_sensor_and_pay_at_once(name: str) -> None:
    config = small_config(BASE)
    assert not same(seen(config), seen(changed(config, name)))
    assert not same(paid(config), paid(changed(config, name)))


# --- What is refused --------------------------------------------------------

WRONG_TYPES = {
    bool: (1, 0, "true", 1.0, None),
    int: (True, 1.5, "3", 3.0, math.nan, None, [3]),
    float: (True, "0.5", None, [0.5], {"a": 1}),
    str: (3, 1.5, True, None),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_wrong_type_is_refused_by_name(name: str) -> None:
    kind = float if name == "training.learning_rate" else type(KEYS[name])
    for value in WRONG_TYPES[kind]:
        with pytest.raises(UserError, match=rf"^'{re.escape(name)}' must be .*not "):
            load_config(overrides={name: value})


@pytest.mark.parametrize("name", [name for name, value in KEYS.items() if type(value) is float])
def test_a_float_must_be_a_number(name: str) -> None:
    with pytest.raises(UserError, match=rf"'{name}' must be .*not nan"):
        load_config(overrides={name: math.nan})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("world.width", 0),
        ("world.width", 10_001),
        ("world.height", -5),
        ("agent.view_range", 0),
        ("agent.view_range", 51),
        ("agent.energy_start", 0.0),
        ("agent.energy_start", -1.0),
        ("agent.energy_move_cost", -0.1),
        ("items.food_energy", 1e7),
        ("items.poison_energy", -math.inf),
        ("items.food_interestingness", 1e4),
        ("items.predator_interestingness", math.inf),
        ("observation.noise_std", -0.1),
        ("observation.gap_scale", -1.0),
        ("training.timesteps", 0),
        ("training.n_envs", 0),
        ("training.steps_per_env", 0),
        ("training.steps_per_episode", 0),
        ("training.learning_rate", 0.0),
        ("training.learning_rate", -1e-3),
        ("training.learning_rate", math.nan),
        ("training.gamma", 1.01),
        ("training.gamma", -0.01),
        ("training.gae_lambda", 1.01),
        ("training.eps_clip", 0.0),
        ("training.k_epochs", 0),
        ("training.n_minibatches", 0),
        ("training.entropy_coef", -0.01),
        ("training.value_coef", -0.5),
        ("training.max_grad_norm", 0.0),
        ("training.adam_eps", 0.0),
        ("training.reward_scale", -1.0),
        ("training.shaping_scale", -0.5),
        ("training.min_food", -1),
        ("training.max_poison", -1),
        ("training.checkpoint_interval", 0),
        ("evaluation.n_envs", 0),
        ("evaluation.steps", 0),
        ("evaluation.food", -1),
        ("cloning.samples", 0),
        ("cloning.held_out_samples", 0),
        ("cloning.epochs", 0),
        ("cloning.batch_size", 0),
        ("cloning.reward_weight", 0.0),
        ("cloning.visibility_weight", -1.0),
        ("cloning.synthetic", -1),
        ("cloning.dagger_rounds", -1),
        ("cloning.evaluation_envs", 0),
        ("runtime.threads", -1),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"^'{name}' must be (at least|between) .*, not "):
        load_config(overrides={name: value})


@pytest.mark.parametrize(
    "name",
    ["agent.energy_start", "agent.energy_move_cost", "items.food_energy", "items.poison_energy"],
)
@pytest.mark.parametrize("value", [0.15, 1.001, 33.333])
def test_energies_are_multiples_of_a_tenth(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"'{name}' must be a multiple of 0.1, not {value}"):
        load_config(overrides={name: value})


@given(st.integers(-(10**7), 10**7))
def test_tenths_are_exact(number: int) -> None:
    assert tenths(number / 10) == number
    config = load_config(overrides={"items.food_energy": number / 10})
    assert tenths(config.items.food_energy) == number


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"training.learning_rat": 1.0}, "unknown key 'training.learning_rat'.*learning_rate"),
        ({"world.hieght": 3}, "unknown key 'world.hieght'.*nearest valid: world.height"),
        ({"trainning.gamma": 0.5}, "unknown key 'trainning.gamma'.*nearest valid: training.gamma"),
        ({"mortal": True}, "'mortal' must be written as section.key"),
        ({"runtime.precision": "float16"}, "'runtime.precision' must be one of .*not 'float16'"),
        ({"runtime.memory_format": "nchw"}, "'runtime.memory_format' must be one of .*'nchw'"),
        ({"training.learning_rate": "fast"}, "'training.learning_rate' must be one of auto"),
        ({"training.min_food": 201}, "'training.min_food' must not exceed 'training.max_food'"),
        ({"training.max_poison": 19}, "'training.min_poison' must not exceed"),
        ({"world.width": 12, "world.height": 12}, "300 items of .training. do not fit .* 12x12"),
        ({"training.max_food": 9899}, "9999 items of .training. do not fit"),
        ({"evaluation.food": 9939}, "9999 items of .evaluation. do not fit"),
        ({"agent.view_range": 50}, "'agent.view_range' 50 needs a torus of at least 101x101"),
        ({"training.n_envs": 1, "training.steps_per_env": 7}, "'training.n_minibatches' must not"),
        ({"cloning.samples": 5, "cloning.dagger_rounds": 5}, "'cloning.dagger_rounds' must be"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        load_config(overrides=overrides)
    with pytest.raises(UserError, match=complaint):
        load_config().with_overrides(overrides)


@pytest.mark.parametrize("name", KEYS)
def test_a_misspelt_key_is_told_the_right_one(name: str) -> None:
    with pytest.raises(UserError, match=rf"unknown key '{name}s' in override \(.*: {name}\)"):
        load_config(overrides={f"{name}s": 1})


def test_the_fullest_world_that_is_admitted_can_be_drawn() -> None:
    full = {"training.min_food": 20, "training.max_food": 20, "training.max_poison": 3}
    env = VecEnv(small_config(full | {"items.respawn": True}), 50, generator=seeded())
    assert ((env.grids() == FOOD).flatten(1).sum(1) == 20).all()
    for _ in range(20):
        env.step(torch.randint(8, (50,), generator=env.generator))
    assert ((env.grids() == FOOD).flatten(1).sum(1) == 20).all()
    with pytest.raises(UserError, match=r"24 items of \[training\] do not fit"):
        small_config(full | {"training.max_poison": 4})


def test_a_torus_may_be_as_small_as_the_view_and_a_walled_world_smaller() -> None:
    assert small_config({"agent.view_range": 2}).agent.view_range == 2
    with pytest.raises(UserError, match="torus of at least 7x7 cells, not 5x5"):
        small_config({"agent.view_range": 3})
    assert small_config({"agent.view_range": 3, "world.loop": False}).agent.view_range == 3


@pytest.mark.parametrize("name", [name for name, value in KEYS.items() if type(value) is float])
def test_a_whole_number_will_do_for_a_float(name: str) -> None:
    value = value_of(load_config(overrides={name: 1}), name)
    assert (value, type(value)) == (1.0, float)


def test_a_learning_rate_may_be_a_number_or_auto() -> None:
    for given_value, expected in (("auto", "auto"), (1, 1.0), (3e-4, 3e-4)):
        config = load_config(overrides={"training.learning_rate": given_value})
        assert config.training.learning_rate == expected


# --- Files, environment, overrides ------------------------------------------


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "my.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path, "[world]\nwidth = 50\n[training]\ngamma = 1\n")
    expected = load_config(overrides={"world.width": 50, "training.gamma": 1.0})
    assert load_config(path) == load_config(str(path)) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[world\nwidth = 3", "my.toml is not valid TOML"),
        ("[world]\nwidth = = 3", "my.toml is not valid TOML"),
        ("[world]\nwidth = 3\nwidth = 4", "my.toml is not valid TOML"),
        (b"[world]\nwidth = 3 # \xff\xfe", "my.toml is not valid TOML"),
        ("world = 3", "'world' in .*my.toml must be a section"),
        ("gamma = 0.5", "'gamma' in .*my.toml must be a section"),
        ("[world]\nwidht = 3", "unknown key 'world.widht' in .*my.toml .*: world.width"),
        ("[wrold]\nwidth = 3", "unknown key 'wrold.width' in .*my.toml .*: world.width"),
        ("[wrold]", "unknown section 'wrold' in .*my.toml .*: world"),
        ("[world]\nwidth = '3'", "'world.width' must be int, not '3'"),
        ("[world]\nwidth = 3.0", "'world.width' must be int, not 3.0"),
        ("[world]\nloop = 1", "'world.loop' must be bool, not 1"),
        ("[world.width]\na = 1", "'world.width' must be int, not {'a': 1}"),
        ("[training]\ngamma = nan", "'training.gamma' must be between 0 and 1, not nan"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.toml: No such file"):
        load_config(tmp_path / "nowhere.toml")
    with pytest.raises(UserError, match="cannot read"):
        load_config(tmp_path)


def test_the_working_directory_is_never_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("[world]\nwidth = 7\n")
    expected = load_config()
    monkeypatch.chdir(tmp_path)
    assert load_config() == expected


def test_overrides_beat_the_environment_and_the_environment_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "[runtime]\ndevice = 'from the file'\nthreads = 3\n")
    override = {"runtime.device": "from the override"}
    assert load_config().runtime.device == "auto"
    assert load_config(path).runtime.device == "from the file"
    monkeypatch.setenv("GOODHARTS_DEVICE", "from the environment")
    assert load_config().runtime.device == "from the environment"
    assert load_config(path).runtime.device == "from the environment"
    assert load_config(path).runtime.threads == 3
    assert load_config(path, override).runtime.device == "from the override"
    monkeypatch.setenv("GOODHARTS_DEVICE", "")  # as good as unset
    assert load_config(path).runtime.device == "from the file"


def test_a_stored_configuration_does_not_look_at_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_config(overrides={"runtime.device": "cpu"})
    monkeypatch.setenv("GOODHARTS_DEVICE", "cuda")
    assert Config.from_dict(config.to_dict()) == config
    assert config.with_overrides({"world.width": 50}).runtime.device == "cpu"


# --- A value like any other -------------------------------------------------


def test_a_configuration_survives_its_dictionary() -> None:
    for name in KEYS:
        config = changed(load_config(), name)
        assert Config.from_dict(config.to_dict()) == config
        assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", KEYS)
def test_a_stored_configuration_must_be_complete(name: str) -> None:
    section, key = name.split(".")
    table = load_config().to_dict()
    value = table[section].pop(key)
    with pytest.raises(UserError, match=f"'{name}' is missing"):
        Config.from_dict(table)
    table[section] |= {key: value, f"{key}_": value}
    with pytest.raises(UserError, match=rf"unknown key '{name}_' \(nearest valid: {key}\)"):
        Config.from_dict(table)


def test_a_stored_configuration_with_an_unknown_section_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown section 'word' \(nearest valid: world\)"):
        Config.from_dict(load_config().to_dict() | {"word": {}})


def test_what_is_stored_without_cloning_gets_the_shipped_settings() -> None:
    config = load_config(overrides={"world.width": 50, "cloning.epochs": 3})
    table = config.to_dict()
    del table["cloning"]
    assert Config.from_dict(table) == load_config(overrides={"world.width": 50})
    assert "cloning" not in table
    for section in set(table) - {"cloning"}:
        with pytest.raises(UserError, match=f"'{section}.*' is missing"):
            Config.from_dict({name: keys for name, keys in table.items() if name != section})


def test_a_configuration_is_frozen() -> None:
    config = load_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.world = None  # type: ignore[misc, assignment]
    for name in KEYS:
        section, key = name.split(".")
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(getattr(config, section), key, 1)


def test_a_changed_copy_or_dictionary_leaves_the_original_alone() -> None:
    config = load_config()
    config.to_dict()["world"]["width"] = 3
    config.with_overrides({"world.width": 50})
    assert config == load_config()
    assert hash(config) == hash(load_config())
