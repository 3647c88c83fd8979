"""Models and checkpoints: whole or not at all, complete, and nothing foreign is believed."""

from __future__ import annotations

import builtins
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor
from training.tiny import facts, files_below, tiny

from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    load_policy,
    model_path,
    save_checkpoint,
    save_model,
)
from goodharts_lib.training.ppo.trainer import PPOTrainer

KINDS = {
    "immortal": {},
    "mortal": {"agent.mortal": True},
    "noisy proxy": {"training.mode": "proxy", "observation.noise_std": 0.1},
    "bfloat16": {"runtime.precision": "bfloat16", "runtime.memory_format": "channels_last"},
    "base_cnn": {"training.network": "base_cnn"},
    "walled": {"world.loop": False, "items.respawn": False},
}


def saved_model(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    path = folder / "ppo_ground_truth.safetensors"
    save_model(path, PPOTrainer(tiny(overrides), 3).policy(), 3, 128)
    return path


def saved_checkpoint(folder: Path) -> Path:
    path = checkpoint_path(folder, "ground_truth")
    save_checkpoint(path, PPOTrainer(tiny(), 3), {"log_stem": "x"})
    return path


def described(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="pt") as stored:
        return json.loads(stored.metadata()["goodharts_lib"])


def rewritten(
    path: Path,
    change_facts: Callable[[dict[str, Any]], None] = lambda _: None,
    change_tensors: Callable[[dict[str, Tensor]], None] = lambda _: None,
) -> Path:
    """Change a stored file and write it back."""
    tensors, told = safetensors.torch.load_file(path), described(path)
    change_facts(told)
    change_tensors(tensors)
    safetensors.torch.save_file(tensors, path, {"goodharts_lib": json.dumps(told)})
    return path


# --- A model ----------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_model_comes_back_with_its_encoding_and_its_probabilities(
    tmp_path: Path, mode: str
) -> None:
    trainer = PPOTrainer(tiny({"training.mode": mode}), 3)
    trainer.train_one_update()
    views = trainer.stream.views
    policy = trainer.policy()
    path = model_path(tmp_path, mode)
    save_model(path, policy, 3, 64)
    loaded = load_policy(path, device="cpu")
    assert path.name == f"ppo_{mode}.safetensors"
    assert loaded.mode == MODES[mode]
    assert loaded.name == mode
    assert loaded.config == trainer.config
    assert torch.equal(loaded.probabilities(views), policy.probabilities(views))
    assert torch.equal(loaded.evaluate(views)[1], policy.evaluate(views)[1])
    assert torch.equal(loaded.encoder(views), trainer.encoder(views))


def test_a_model_trained_in_bfloat16_is_stored_in_float32(tmp_path: Path) -> None:
    path = saved_model(tmp_path, KINDS["bfloat16"])
    assert {t.dtype for t in safetensors.torch.load_file(path).values()} == {torch.float32}
    views = torch.zeros(2, 5, 5, dtype=torch.uint8)
    assert load_policy(path, device="cpu").probabilities(views).dtype == torch.float32


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    told = described(saved_model(tmp_path))
    assert told["kind"] == "model"
    assert told["mode"] == "ground_truth"
    assert told["network"] == "small_cnn"
    assert (told["n_channels"], told["view_size"]) == (6, 5)
    assert (told["seed"], told["total_steps"]) == (3, 128)
    assert told["config"]["world"]["width"] == 12
    assert told["config"]["training"]["learning_rate"] == 1e-3
    assert {"format", "library"} <= told.keys()


def test_greedy_takes_the_likeliest_action(tmp_path: Path) -> None:
    path = saved_model(tmp_path)
    views = torch.randint(4, (64, 5, 5), generator=torch.Generator().manual_seed(0)).byte()
    generator = torch.Generator().manual_seed(0)
    sampled = load_policy(path, device="cpu")
    greedy = load_policy(path, device="cpu", greedy=True)
    assert torch.equal(greedy.act(views, generator), sampled.probabilities(views).argmax(-1))
    assert not torch.equal(sampled.act(views, generator), greedy.act(views, generator))


def test_a_loaded_model_is_not_trained_by_accident(tmp_path: Path) -> None:
    assert not any(p.requires_grad for p in load_policy(saved_model(tmp_path)).model.parameters())


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a file was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    load_policy(saved_model(tmp_path))
    load_checkpoint(saved_checkpoint(tmp_path))


class Bomb:
    """Unpickling it would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch exploded",)


def test_a_pickled_file_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ppo_ground_truth.safetensors"
    path.write_bytes(pickle.dumps({"weights": Bomb()}))
    with pytest.raises(UserError, match="damaged or not a safetensors file"):
        load_policy(path)
    assert files_below(tmp_path) == {path.name}


# --- A checkpoint -----------------------------------------------------------


@pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS)
def test_a_run_that_is_continued_ends_as_if_it_had_not_stopped(
    tmp_path: Path, overrides: dict[str, Any]
) -> None:
    whole = PPOTrainer(tiny(overrides), 3)
    expected = [facts(record) for record in whole.run().history]
    first = PPOTrainer(tiny(overrides), 3)
    records = [first.train_one_update() for _ in range(2)]
    path = tmp_path / "ppo_x.checkpoint.safetensors"
    save_checkpoint(path, first, {})
    second, _ = load_checkpoint(path)
    records += second.run().history
    assert [facts(record) for record in records] == expected
    for one, other in zip(whole.parameters, second.parameters, strict=True):
        assert torch.equal(one, other)
    state, again = whole.state(), second.state()
    assert again[1] == state[1]
    assert again[0].keys() == state[0].keys()
    for name, value in state[0].items():
        assert torch.equal(value, again[0][name]), name


def test_a_checkpoint_holds_everything_that_goes_on(tmp_path: Path) -> None:
    trainer = PPOTrainer(tiny({"agent.mortal": True}), 3)
    trainer.train_one_update()
    path = tmp_path / "c.checkpoint.safetensors"
    save_checkpoint(path, trainer, {"log_stem": "here", "wall_time": 1.5})
    stored = safetensors.torch.load_file(path)
    n = len(trainer.parameters)
    parts = [name.split(".")[0] for name in stored]
    assert parts.count("model") == parts.count("initial") == n
    assert parts.count("adam") == 3 * n
    assert parts.count("random") == 4
    told = described(path)
    assert told["kind"] == "checkpoint"
    assert told["seed"] == 3
    assert told["values"] == {"updates_done": 1, "episodes_done": trainer.episodes_done,
                              "steps": 16}  # fmt: skip
    assert told["run"] == {"log_stem": "here", "wall_time": 1.5}
    assert told["config"] == trainer.config.to_dict()


def test_a_checkpoint_before_the_first_update_is_complete(tmp_path: Path) -> None:
    trainer, told = load_checkpoint(saved_checkpoint(tmp_path))
    assert told == {"log_stem": "x"}
    whole = PPOTrainer(tiny(), 3)
    assert [facts(r) for r in trainer.run().history] == [facts(r) for r in whole.run().history]


def test_a_subclass_can_be_continued_as_itself(tmp_path: Path) -> None:
    class Mine(PPOTrainer):
        pass

    assert type(load_checkpoint(saved_checkpoint(tmp_path), Mine)[0]) is Mine


# --- Whole or not at all ----------------------------------------------------


def test_a_model_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ppo_ground_truth.safetensors").mkdir()
    with pytest.raises(UserError, match=r"^cannot write .*ppo_ground_truth\.safetensors: "):
        saved_model(tmp_path)
    assert files_below(tmp_path) == set()


# --- What is not believed ---------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def headless(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def text(path: Path) -> None:
    path.write_text("these are not weights\n" * 50)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})


def bare(path: Path) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)


def another_format(path: Path) -> None:
    rewritten(path, lambda told: told.update(format=checkpoint.FORMAT + 1))


def not_json(path: Path) -> None:
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path, {"goodharts_lib": "{not json"})


def nothing_told(path: Path) -> None:
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path, {"goodharts_lib": "{}"})


def unknown_key(path: Path) -> None:
    rewritten(path, lambda told: told["config"]["training"].update(brain="large"))


def without_seed(path: Path) -> None:
    rewritten(path, lambda told: told.pop("config"))


DAMAGE = {
    "truncated": (truncated, "damaged or not a safetensors file"),
    "cut in the head": (headless, "damaged or not a safetensors file"),
    "text": (text, "damaged or not a safetensors file"),
    "empty": (empty, "damaged or not a safetensors file"),
    "foreign weights": (foreign, "foreign weights"),
    "no description": (bare, "foreign weights"),
    "another format": (another_format, "has format 2; this library reads 1"),
    "a description that is no JSON": (not_json, "damaged"),
    "an empty description": (nothing_told, "damaged"),
    "no configuration": (without_seed, "damaged"),
    "a key of another version": (unknown_key, r"training\.brain"),
}


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
@pytest.mark.parametrize(("damage", "sentence"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_foreign_file_is_one_sentence(
    tmp_path: Path, kind: str, damage: Callable[[Path], None], sentence: str
) -> None:
    path = saved_model(tmp_path) if kind == "model" else saved_checkpoint(tmp_path)
    damage(path)
    with pytest.raises(UserError, match=sentence) as raised:
        load_policy(path) if kind == "model" else load_checkpoint(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no model at .*nowhere"):
        load_policy(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"there is no checkpoint at"):
        load_checkpoint(tmp_path)


def test_a_model_is_no_checkpoint_and_a_checkpoint_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a model, not a checkpoint"):
        load_checkpoint(saved_model(tmp_path))
    with pytest.raises(UserError, match="is a checkpoint, not a model"):
        load_policy(saved_checkpoint(tmp_path))


def test_a_swapped_network_name_is_found_out(tmp_path: Path) -> None:
    # N21 of the research note: such a file loaded nothing, and random weights were judged.
    path = rewritten(saved_model(tmp_path), lambda told: told.update(network="base_cnn"))
    with pytest.raises(UserError, match="says it holds a base_cnn, but its weights differ at"):
        load_policy(path)


@pytest.mark.parametrize("change", [{"network": "large_cnn"}, {"mode": "telepathy"}])
def test_an_unknown_name_in_a_model_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    path = rewritten(saved_model(tmp_path), lambda told: told.update(change))
    with pytest.raises(UserError, match=f"unknown {next(iter(change))}"):
        load_policy(path)


def test_wrong_channels_are_refused(tmp_path: Path) -> None:
    def halve(tensors: dict[str, Tensor]) -> None:
        first = next(n for n in tensors if tensors[n].dim() == 4 and tensors[n].shape[1] == 6)
        tensors[first] = tensors[first][:, :2].contiguous()

    path = rewritten(saved_model(tmp_path), lambda told: told.update(n_channels=2), halve)
    with pytest.raises(UserError, match="reads 2 channels of 5x5 cells, but mode 'ground_truth'"):
        load_policy(path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = rewritten(saved_model(tmp_path), lambda told: told.update(n_channels=2))
    with pytest.raises(UserError, match="its weights differ at"):
        load_policy(path)


def test_another_view_is_refused(tmp_path: Path) -> None:
    path = rewritten(
        saved_model(tmp_path), lambda told: told["config"]["agent"].update(view_range=3)
    )
    with pytest.raises(UserError, match="of 5x5 cells, but mode 'ground_truth' gives 6 of 7x7"):
        load_policy(path)


def test_a_checkpoint_without_a_part_is_damaged(tmp_path: Path) -> None:
    def forget(tensors: dict[str, Tensor]) -> None:
        for name in [n for n in tensors if n.startswith("random.")]:
            del tensors[name]

    path = rewritten(saved_checkpoint(tmp_path), change_tensors=forget)
    with pytest.raises(UserError, match="does not fit its own configuration"):
        load_checkpoint(path)


def test_loading_a_model_reads_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved_model(tmp_path)
    (tmp_path / "config.toml").write_text("[world]\nwidth = 'wide'\n")
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    real = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda *a, **k: (opened.append(str(a[0])), real(*a, **k))[1]
    )
    assert load_policy(path).config.world.width == 12
    assert [name for name in opened if name.endswith(".toml")] == []


def test_a_policy_keeps_its_own_name(tmp_path: Path) -> None:
    trained = PPOTrainer(tiny(), 3).policy()
    clone = LearnedPolicy(trained.model, trained.mode, trained.config, name="clone")
    path = tmp_path / "clone.safetensors"
    save_model(path, clone, 3, 128)
    assert load_policy(path).name == "clone"
    assert load_policy(path).decoded(greedy=True).name == "clone"
    assert load_policy(saved_model(tmp_path)).name == "ground_truth"
