"""Every key of [training], [evaluation], [cloning] and [runtime] changes what happens."""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.test_cloning import CLONE
from training.tiny import run, tiny, write_config

from goodharts_lib import evaluation, runtime
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.networks.small_cnn import SmallCNN
from goodharts_lib.training import train_ppo
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer, train
from goodharts_lib.training.train import Cloner

SHIPPED = tomllib.loads(
    importlib.resources.files("goodharts_lib").joinpath("config.toml").read_text(encoding="utf-8")
)
KEYS = {f"{section}.{key}" for section, keys in SHIPPED.items() for key in keys}


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trainer(overrides: dict[str, Any]) -> PPOTrainer:
    return PPOTrainer(tiny(overrides), 0)


def weights(of: PPOTrainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in of.parameters])


# --- Keys of the update: the same experience, other weights -----------------

UPDATE_KEYS: dict[str, Any] = {
    "training.learning_rate": 0.002,
    "training.gamma": 0.9,
    "training.gae_lambda": 0.5,
    "training.eps_clip": 0.01,
    "training.k_epochs": 3,
    "training.n_minibatches": 4,
    "training.entropy_coef": 0.5,
    "training.value_coef": 2.0,
    "training.max_grad_norm": 0.01,
    "training.adam_eps": 0.1,
}


@pytest.mark.parametrize(("key", "value"), UPDATE_KEYS.items(), ids=UPDATE_KEYS)
def test_a_key_of_the_update_changes_the_weights_it_leads_to(key: str, value: Any) -> None:
    bare = {"training.shaping": False}
    usual, changed = trainer(bare), trainer(bare | {key: value})
    rollouts = usual.collect(), changed.collect()
    for name in ("views", "actions", "values", "rewards"):
        assert torch.equal(*(getattr(rollout, name) for rollout in rollouts)), name
    usual.update(rollouts[0])
    changed.update(rollouts[1])
    assert not torch.equal(weights(usual), weights(changed))


def test_gamma_reaches_the_shaping_too() -> None:
    bonus = [trainer({"training.gamma": gamma}).collect().rewards for gamma in (0.99, 0.5)]
    assert not torch.equal(*bonus)


# --- Keys with an effect of their own ---------------------------------------


def lengths(t: PPOTrainer) -> set[int]:
    return {episode.length for record in t.run().history for episode in record.episodes}


def item_counts(t: PPOTrainer, cell: Cell) -> set[int]:
    """How many items of a kind the first worlds hold."""
    return set((t.env.grids() == cell).sum((1, 2)).tolist())


def rewards(t: PPOTrainer) -> Tensor:
    return t.collect().rewards


class Saves:
    """Counts the checkpoints that a command writes."""

    def __init__(self, folder: Path, interval: int, patch: pytest.MonkeyPatch) -> None:
        self.updates: list[int] = []
        save = checkpoint.save_checkpoint

        def counted(path: Path, t: PPOTrainer, facts: dict[str, Any]) -> None:
            self.updates.append(t.updates_done)
            save(path, t, facts)

        patch.setattr(checkpoint, "save_checkpoint", counted)
        patch.chdir(folder)
        write_config(folder, {"training.checkpoint_interval": interval})
        assert run(train_ppo.main).status == 0


def mode(_: Path, __: pytest.MonkeyPatch) -> None:
    truth, proxy = trainer({}), trainer({"training.mode": "proxy"})
    assert truth.pay.tolist()[Cell.POISON] == pytest.approx(-3.01)
    assert proxy.pay.tolist()[Cell.POISON] == pytest.approx(0.9)
    seen = truth.stream.views
    assert not torch.equal(truth.encoder(seen), proxy.encoder(seen))


def network(_: Path, __: pytest.MonkeyPatch) -> None:
    assert isinstance(trainer({}).model.network, SmallCNN)
    assert not isinstance(trainer({"training.network": "base_cnn"}).model.network, SmallCNN)


def timesteps(_: Path, __: pytest.MonkeyPatch) -> None:
    assert train(tiny({"training.timesteps": 192}), 0).total_steps == 192


def n_envs(_: Path, __: pytest.MonkeyPatch) -> None:
    assert trainer({"training.n_envs": 6}).collect().views.shape[:2] == (16, 6)


def steps_per_env(_: Path, __: pytest.MonkeyPatch) -> None:
    assert trainer({"training.steps_per_env": 9}).collect().views.shape[:2] == (9, 4)


def steps_per_episode(_: Path, __: pytest.MonkeyPatch) -> None:
    assert lengths(trainer({})) == {20}
    assert lengths(trainer({"training.steps_per_episode": 11})) == {11}


def reward_scale(_: Path, __: pytest.MonkeyPatch) -> None:
    bare = {"training.shaping": False}
    usual, doubled = (rewards(trainer(bare | {"training.reward_scale": s})) for s in (0.1, 0.2))
    torch.testing.assert_close(doubled, 2 * usual)
    assert usual.abs().min() == pytest.approx(0.01)


def shaping(_: Path, __: pytest.MonkeyPatch) -> None:
    paid = {round(r, 4) for r in rewards(trainer({"training.shaping": False})).flatten().tolist()}
    assert paid <= {-0.01, 0.99, -3.01}
    assert len({round(r, 4) for r in rewards(trainer({})).flatten().tolist()}) > 3


def shaping_scale(_: Path, __: pytest.MonkeyPatch) -> None:
    none, half, whole = (rewards(trainer({"training.shaping_scale": s})) for s in (0.0, 0.5, 1.0))
    torch.testing.assert_close(whole - none, 2 * (half - none))
    assert not torch.equal(half, none)


def count_key(name: str, low: int, high: int) -> Callable[[Path, pytest.MonkeyPatch], None]:
    """A range of counts holds from the first draw on."""
    cell = Cell.FOOD if name == "food" else Cell.POISON

    def check(_: Path, __: pytest.MonkeyPatch) -> None:
        changed = {f"training.min_{name}": low, f"training.max_{name}": high}
        drawn = item_counts(trainer(changed | {"training.n_envs": 200}), cell)
        assert drawn == set(range(low, high + 1))

    return check


def checkpoint_interval(folder: Path, patch: pytest.MonkeyPatch) -> None:
    assert Saves(folder, 2, patch).updates == [0, 2, 4]
    assert Saves(folder, 3, patch).updates == [0, 3]


class Worlds:
    """The worlds that an evaluation builds."""

    def __init__(self, overrides: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
        self.shapes: set[tuple[int, ...]] = set()
        self.steps = 0
        self.counts: set[tuple[int, int]] = set()
        worlds = self
        step = VecEnv.step

        def watched(env: VecEnv, actions: Tensor) -> Any:
            grids = env.grids()
            worlds.shapes.add(tuple(actions.shape))
            worlds.counts |= set(
                zip(
                    (grids == Cell.FOOD).sum((1, 2)).tolist(),
                    (grids == Cell.POISON).sum((1, 2)).tolist(),
                    strict=True,
                )
            )
            worlds.steps += 1
            return step(env, actions)

        config = tiny(overrides)
        with patch.context() as inner:
            inner.setattr(VecEnv, "step", watched)
            self.scores = evaluation.evaluate(ScriptedAgent("random", config), config, 0)


def evaluation_n_envs(_: Path, patch: pytest.MonkeyPatch) -> None:
    assert Worlds({"evaluation.n_envs": 7}, patch).shapes == {(7,)}


def evaluation_steps(_: Path, patch: pytest.MonkeyPatch) -> None:
    worlds = Worlds({"evaluation.steps": 9}, patch)
    assert worlds.steps == worlds.scores.tau == 9


def evaluation_items(_: Path, patch: pytest.MonkeyPatch) -> None:
    assert Worlds({}, patch).counts == {(12, 6)}
    changed = {"evaluation.food": 3, "evaluation.poison": 11}
    assert Worlds(changed, patch).counts == {(3, 11)}


def device(_: Path, __: pytest.MonkeyPatch) -> None:
    assert str(trainer({"runtime.device": "cpu:0"}).placement.device) == "cpu:0"


def hsa(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HSA_OVERRIDE_GFX_VERSION", "unset")
    trainer({})
    assert os.environ["HSA_OVERRIDE_GFX_VERSION"] == "unset"
    trainer({"runtime.hsa_override_gfx_version": "11.0.0"})
    assert os.environ["HSA_OVERRIDE_GFX_VERSION"] == "11.0.0"


def precision(_: Path, __: pytest.MonkeyPatch) -> None:
    exact, rough = (
        trainer({"runtime.precision": p}).collect().values for p in ("float32", "bfloat16")
    )
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, rtol=0.1, atol=0.05)


def memory_format(_: Path, __: pytest.MonkeyPatch) -> None:
    for name, kind in (("contiguous", torch.contiguous_format),
                       ("channels_last", torch.channels_last)):  # fmt: skip
        first = trainer({"runtime.memory_format": name}).parameters[0]
        assert first.dim() == 4
        assert first.is_contiguous(memory_format=kind)


def threads(_: Path, __: pytest.MonkeyPatch) -> None:
    for number in (2, 1):
        trainer({"runtime.threads": number})
        assert torch.get_num_threads() == number


def deterministic(_: Path, patch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    patch.setattr(torch, "use_deterministic_algorithms", asked.append)
    patch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    for wanted in (False, True):
        plain = trainer({"runtime.deterministic": wanted}).placement
        assert plain.deterministic is wanted
        assert asked == []  # the CPU is deterministic as it is
    on_gpu = runtime.Placement(torch.device("cuda"), "float32", "contiguous", 1, True)
    runtime.apply(on_gpu)
    assert asked == [True]


EFFECTS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "training.mode": mode,
    "training.network": network,
    "training.timesteps": timesteps,
    "training.n_envs": n_envs,
    "training.steps_per_env": steps_per_env,
    "training.steps_per_episode": steps_per_episode,
    "training.reward_scale": reward_scale,
    "training.shaping": shaping,
    "training.shaping_scale": shaping_scale,
    "training.min_food": count_key("food", 9, 12),
    "training.max_food": count_key("food", 2, 4),
    "training.min_poison": count_key("poison", 9, 10),
    "training.max_poison": count_key("poison", 0, 3),
    "training.checkpoint_interval": checkpoint_interval,
    "evaluation.n_envs": evaluation_n_envs,
    "evaluation.steps": evaluation_steps,
    "evaluation.food": evaluation_items,
    "evaluation.poison": evaluation_items,
    "runtime.device": device,
    "runtime.hsa_override_gfx_version": hsa,
    "runtime.precision": precision,
    "runtime.memory_format": memory_format,
    "runtime.threads": threads,
    "runtime.deterministic": deterministic,
}


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_has_its_effect(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EFFECTS[key](tmp_path, monkeypatch)


# --- Keys of cloning: another history (what each one does: test_cloning*.py) ---

CLONING_KEYS: dict[str, Any] = {
    "cloning.expert": "food_only",
    "cloning.samples": 100,
    "cloning.held_out_samples": 80,
    "cloning.epochs": 1,
    "cloning.batch_size": 16,
    "cloning.reward_weight": 5.0,
    "cloning.visibility_weight": 5.0,
    "cloning.synthetic": 10,
    "cloning.dagger_rounds": 1,
    "cloning.evaluation_envs": 3,
}


def test_every_key_of_cloning_changes_the_history() -> None:
    usual = Cloner(tiny(CLONE), 0).run().history
    for key, value in CLONING_KEYS.items():
        assert Cloner(tiny(CLONE | {key: value}), 0).run().history != usual, key


# --- No key is left out -----------------------------------------------------


def test_every_key_of_these_sections_is_checked_here() -> None:
    sections = ("training", "evaluation", "cloning", "runtime")
    mine = {name for name in KEYS if name.split(".")[0] in sections}
    assert set(UPDATE_KEYS) | set(EFFECTS) | set(CLONING_KEYS) == mine


def test_every_key_of_the_shipped_configuration_is_checked_somewhere() -> None:
    there = Path(__file__).parents[1] / "test_config.py"
    spec = importlib.util.spec_from_file_location("checked_elsewhere", there)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mine = set(UPDATE_KEYS) | set(EFFECTS) | set(CLONING_KEYS)
    assert set(module.PPO_KEYS) <= mine
    assert set(module.EFFECTS) | mine == KEYS


def test_the_default_run_uses_the_shipped_numbers() -> None:
    # S11: settings that never reached the algorithm.
    rollout_of: list[Rollout] = []

    class Watched(PPOTrainer):
        def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
            rollout_of.append(rollout)
            return super().update(rollout)

    shipped = {f"training.{key}": SHIPPED["training"][key] for key in SHIPPED["training"]}
    small = {k: v for k, v in shipped.items() if "food" not in k and "poison" not in k}
    small |= {"training.network": "small_cnn", "training.timesteps": 1}
    record = Watched(tiny(small), 0).train_one_update()
    assert rollout_of[0].views.shape == (128, 64, 5, 5)
    assert record.total_steps == 8192
