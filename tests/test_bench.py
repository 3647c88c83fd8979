"""The benchmark runs, tells everything, and counts right. No test here looks at a timing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from slow_reference import seeded

from benchmarks import bench, peer
from benchmarks.measure import (
    MatrixProducts,
    Training,
    forward_flop,
    forwards_per_step,
    make_config,
    stored_bytes,
)
from benchmarks.report import Line, Target
from benchmarks.sections import Base, Settings, on_gpu
from goodharts_lib import runtime
from goodharts_lib.config import load_config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.networks.base_cnn import BaseCNN
from goodharts_lib.networks.small_cnn import SmallCNN
from goodharts_lib.training.ppo.models import ActorCritic

TINY = Settings(
    worlds=2, steps=4, rounds=1, growth=(2,), growth_rounds=1, products=((8, 8, 8),),
    product_seconds=0.0, gpu_worlds=2,
)  # fmt: skip


@pytest.mark.slow
def test_the_command_prints_every_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3")
    stored = tmp_path / "new" / "bench.json"
    assert bench.main(["--quick", "--worlds", "2", "--steps", "8", "--json", str(stored)]) == 0
    told = capsys.readouterr().out
    titles = re.findall(r"^\((.)\) ", told, flags=re.MULTILINE)
    assert titles[:5] == ["a", "b", "c", "d", "e"]
    assert "torch" in told.splitlines()[0]
    assert len(re.findall(r"target at (?:least|most) .*: (?:NOT )?reached", told)) == 6
    content = json.loads(stored.read_text())
    assert [title[1] for title in content["sections"]][:5] == list("abcde")
    lines = {line["name"]: line for lines in content["sections"].values() for line in lines}
    assert all(line["value"] >= 0 for line in lines.values())
    assert lines["times as fast"]["target"] == {"limit": 2.8, "at_least": True}
    ours, theirs = (lines[f"parameters of {whose} network"] for whose in ("our", "the peer's"))
    assert ours["value"] == theirs["value"] > 4_000_000


def test_without_the_peer_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peer, "available", lambda: False)
    base = Base(TINY)
    capsys.readouterr()
    _, lines = base.beside_peer()
    assert [line.name for line in lines] == ["this library"]
    told = capsys.readouterr().out
    assert told.startswith("stable-baselines3 is not installed")
    assert told.count(".\n") == 1


def test_the_section_for_a_gpu_runs_anywhere() -> None:
    title, lines = on_gpu(TINY, device="cpu")
    assert "2 worlds" in title
    assert any(line.name.endswith("PPO Update") for line in lines)


@pytest.mark.parametrize("arguments", [["--worlds", "0"], ["--steps", "-1"], ["--fast"]])
def test_a_wrong_argument_is_refused_before_any_work(arguments: list[str]) -> None:
    with pytest.raises(UserError):
        bench.main(arguments)


def test_flop_are_counted_by_hand() -> None:
    by_hand = 2 * 121 * 9 * (6 * 32 + 32 * 64 + 64 * 64) + 2 * 7744 * 512 + 2 * 512 * 9
    assert forward_flop(ActorCritic(BaseCNN(6, 11))) == by_hand
    by_hand = 2 * 121 * 9 * (6 * 16 + 16 * 16) + 2 * 1936 * 64 + 2 * 64 * 9
    assert forward_flop(ActorCritic(SmallCNN(6, 11))) == by_hand
    assert forwards_per_step(4) == (12, 13)


def test_the_defaults_are_the_shipped_run() -> None:
    config = make_config("base_cnn", 64, 128, device="auto")
    assert config == load_config(overrides={"runtime.device": "auto"})
    assert make_config("small_cnn", 1024, 128).training.n_minibatches == 128
    assert make_config("small_cnn", 1, 8).training.n_minibatches == 1


def test_a_warm_up_is_not_measured() -> None:
    training = Training(make_config("small_cnn", 2, 4))
    assert training.trainer.updates_done == 1
    assert training.seconds == training.sections == []
    training.update()
    assert training.rate == 8 / training.seconds[0]
    assert 0 < training.share("PPO Update") < 1


def test_stored_bytes_are_those_of_the_tensors() -> None:
    parts = stored_bytes(Training(make_config("small_cnn", 2, 16)).trainer.collect())
    assert parts["views"] == 121
    assert parts["actions"] == parts["eaten"] == 1
    assert parts["sampled_logits"] == 8 * 4 / 8
    assert sum(parts.values()) < 200


def test_the_best_product_is_the_fastest() -> None:
    products = MatrixProducts(runtime.place(load_config()), ((8, 8, 8), (16, 8, 8)), 0.0)
    assert not any(products.rates.values())
    products.rates = {(8, 8, 8): [1.0, 5.0, 2.0], (16, 8, 8): [3.0, 1.0, 1.0]}
    assert products.best == (2.0, (8, 8, 8))


def test_a_target_is_told_in_plain_words() -> None:
    least, most = Target(0.68, at_least=True), Target(200, at_least=False)
    assert str(Line("share", 0.7, "%", least)).endswith("70.0 %   target at least 68.0 %: reached")
    assert str(Line("a step", 201, "bytes", most)).endswith("at most 200.0 bytes: NOT reached")
    assert "target" not in str(Line("speed", 12_345.6, "steps/s"))
    assert "12,346 steps/s" in str(Line("speed", 12_345.6, "steps/s"))


@pytest.mark.slow
def test_the_peer_does_the_same_work() -> None:
    pytest.importorskip("stable_baselines3")
    from goodharts_lib.experiments import sb3

    few = {"training.n_envs": 3, "training.steps_per_env": 4, "training.n_minibatches": 2,
           "training.steps_per_episode": 5, "training.network": "small_cnn"}  # fmt: skip
    config = load_config(overrides=few | {"runtime.device": "cpu"})
    model = sb3.build(config)
    assert (model.n_steps, model.batch_size, model.n_epochs) == (4, 6, 4)
    assert model.learning_rate == 1e-3
    assert model.policy.optimizer.defaults["eps"] == 1e-5
    ours = ActorCritic(SmallCNN(6, 11))
    assert sum(p.numel() for p in model.policy.parameters()) == sum(
        p.numel() for p in ours.parameters()
    )
    worlds, world = model.get_env(), VecEnv(config, 3, generator=seeded(0))
    worlds.seed(0)
    seen = worlds.reset()
    assert (seen[:, 2] == (world.views() == 2).numpy()).all()
    for step in range(12):
        seen, _, done, infos = worlds.step(np.full(3, step % 8))
        result = world.step(torch.full((3,), step % 8))
        assert (seen[:, 2] == (result.views == 2).numpy()).all()
        assert done.all() == (step % 5 == 4)
        for i, info in enumerate(infos):
            assert bool(info) == done[i]
            if info:
                assert info["TimeLimit.truncated"]
                food = (result.final_views[i] == 2).numpy()
                assert (info["terminal_observation"][2] == food).all()
    model.learn(12)
