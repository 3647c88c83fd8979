"""The agents that ship: small, loadable offline, as recorded, and made again by a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from training.test_cloning import CLONE
from training.tiny import TINY, files_below, run, toml

import goodharts_lib
from goodharts_lib import load_config, load_pretrained, pretrained, runtime
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import evaluate
from goodharts_lib.modes import MODES
from goodharts_lib.training import train
from goodharts_lib.training.ppo.checkpoint import model_path, save_model
from goodharts_lib.training.ppo.trainer import PPOTrainer

FOLDER = Path(goodharts_lib.__file__).parent / "data" / "pretrained"


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_an_agent_is_the_one_its_record_describes(name: str) -> None:
    policy, told = load_pretrained(name), pretrained.load_record()["agents"][name]
    assert policy.name == name
    assert pretrained.weights_checksum(policy) == told["weights_sha256"]
    assert (FOLDER / f"{name}.safetensors").stat().st_size < 600_000


@pytest.mark.parametrize("mode", MODES)
def test_a_trained_agent_follows_its_recipe(mode: str) -> None:
    policy = load_pretrained(mode)
    recipe = load_config(overrides=pretrained.RECIPE | {"training.mode": mode})
    placed = runtime.place(recipe).overrides() | {
        "runtime.precision": policy.config.runtime.precision,
        "runtime.memory_format": policy.config.runtime.memory_format,
        "training.learning_rate": 1e-3,
    }
    assert policy.config == recipe.with_overrides(placed)
    assert policy.mode == MODES[mode]
    told = pretrained.load_record()["agents"][mode]
    assert told["total_steps"] >= 1_000_000
    assert len(told["curve"]["true_energy"]) == len(told["curve"]["total_steps"]) > 20


def test_the_recorded_scores_are_those_of_the_weights() -> None:
    # Fewer worlds than on record, and perhaps another processor: near, not equal.
    world = load_config(overrides={"evaluation.n_envs": 32})
    for name in ("ground_truth", "proxy"):
        told = pretrained.load_record()["agents"][name]["scores"]["sampled"]
        scores = evaluate(load_pretrained(name), world, seed=7)
        assert scores.true_energy == pytest.approx(told["true_energy"], abs=150)
        assert scores.food == pytest.approx(told["food"], abs=15)


def test_the_shipped_agents_tell_the_story() -> None:
    scores = {
        name: told["scores"]["sampled"] for name, told in pretrained.load_record()["agents"].items()
    }
    assert scores["ground_truth"]["true_energy"] > 1000
    assert scores["proxy"]["true_energy"] < -400
    assert scores["proxy"]["proxy_score"] > scores["ground_truth"]["proxy_score"]


def test_an_unknown_agent_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"unknown pretrained agent 'prxy' \(nearest valid: proxy"):
        load_pretrained("prxy")


def test_a_model_of_ones_own_comes_before_the_shipped_one(tmp_path: Path) -> None:
    mine = PPOTrainer(load_config(overrides=TINY | {"training.mode": "proxy"}), 3).policy()
    save_model(model_path(tmp_path, "proxy"), mine, 3, 0)
    found = pretrained.find_or_pretrained(tmp_path, ["proxy", "ground_truth"], "cpu")
    assert [policy.name for policy, _ in found] == ["proxy", "ground_truth"]
    assert [source for _, source in found] == [
        str(tmp_path / "ppo_proxy.safetensors"),
        "shipped with the package",
    ]
    checksums = [pretrained.weights_checksum(policy) for policy, _ in found]
    shipped = pretrained.load_record()["agents"]
    assert checksums[0] == pretrained.weights_checksum(mine) != shipped["proxy"]["weights_sha256"]
    assert checksums[1] == shipped["ground_truth"]["weights_sha256"]


def test_a_clone_of_ones_own_lies_where_training_leaves_it(tmp_path: Path) -> None:
    config = load_config(overrides=TINY | CLONE | {"training.mode": "proxy_jammed"})
    (tmp_path / "config.toml").write_text(toml(TINY | CLONE), encoding="utf-8")
    flags = ("--config", tmp_path / "config.toml", "--mode", "proxy_jammed",
             "--models-dir", tmp_path, "--log-dir", tmp_path)  # fmt: skip
    ended = run(train.main, *flags, "--expert", pretrained.EXPERT)
    assert ended.status == 0, ended.err
    assert pretrained.own_path(tmp_path, "clone").is_file()
    ((policy, source),) = pretrained.find_or_pretrained(tmp_path, ["clone"], "cpu")
    assert (policy.name, policy.mode.name) == ("clone", config.training.mode)
    assert source == str(pretrained.own_path(tmp_path, "clone"))


def test_a_damaged_model_of_ones_own_is_not_passed_over(tmp_path: Path) -> None:
    model_path(tmp_path, "proxy").write_bytes(b"no weights")
    with pytest.raises(UserError, match="is damaged"):
        pretrained.find_or_pretrained(tmp_path, ["proxy"])


def test_a_checksum_notices_one_weight() -> None:
    policy = load_pretrained("proxy")
    before = pretrained.weights_checksum(policy)
    with torch.no_grad():
        policy.model.network.policy.bias[3] += 1e-6
    assert pretrained.weights_checksum(policy) != before


def test_making_agents_again_gives_the_same_bits_or_says_that_it_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "RECIPE", TINY)
    names, new = ["proxy", "ground_truth"], tmp_path / "new"
    first = run(pretrained.main, "--reproduce", *names, "--output-dir", new)
    assert first.status == 1
    assert first.out.startswith("Configuration: shipped defaults + world.width=12 + ")
    assert first.out.count("ETA 0:00") == 2  # the last update of each
    assert first.out.count("other weights than the shipped") == 2
    assert "rounding differs in the last bits" in first.out
    assert files_below(new) == {"proxy.safetensors", "ground_truth.safetensors", "record.json"}
    record = json.loads((new / "record.json").read_text(encoding="utf-8"))
    assert set(record["agents"]) == set(pretrained.NAMES)

    monkeypatch.setattr(pretrained, "_shipped", lambda file: new / file)
    again = run(pretrained.main, "--reproduce", *names, "--output-dir", tmp_path / "again")
    assert again.status == 0, again.out
    assert again.out.count("the shipped weights, bit for bit") == 2
    for name in names:
        file = f"{name}.safetensors"
        assert (new / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_the_command_lists_what_ships() -> None:
    ended = run(pretrained.main)
    assert ended.status == 0
    rows = {line.split()[0]: line for line in ended.out.splitlines()}
    assert set(pretrained.NAMES) < set(rows)
    energy = pretrained.load_record()["agents"]["proxy"]["scores"]["sampled"]["true_energy"]
    assert f"{energy:+,.0f}" in rows["proxy"]


def test_an_unknown_name_or_folder_stops_before_training(tmp_path: Path) -> None:
    unknown = run(pretrained.main, "--reproduce", "clown")
    assert (unknown.status, unknown.out) == (2, "")
    assert "unknown pretrained agent 'clown'" in unknown.err
    (tmp_path / "file").write_text("", encoding="utf-8")
    blocked = run(pretrained.main, "--reproduce", "proxy", "--output-dir", tmp_path / "file" / "x")
    assert (blocked.status, blocked.out) == (2, "")
    assert "cannot write to the folder" in blocked.err
