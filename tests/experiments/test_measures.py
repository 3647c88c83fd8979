"""What a unit does: judged when asked, the same after an interruption, stopped when learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from training.tiny import TINY, tiny

from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.evaluation import evaluate
from goodharts_lib.experiments import measures
from goodharts_lib.experiments.measures import CURVE, agent_unit, curves, learned_at, train_unit
from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.verification import verify

SETTINGS: dict[str, Any] = {
    "overrides": TINY | {"training.mode": "proxy", "training.checkpoint_interval": 1},
    "judge": [100, 256],
}


def rows(*meals: tuple[float, float]) -> list[list[float]]:
    """Rows of a curve: food and poison per 1,000 steps of each update of 100 steps."""
    food, poison = (1 + CURVE.index(key) for key in ("food", "poison"))
    made = []
    for number, (good, bad) in enumerate(meals, 1):
        row = [100.0 * number] + [0.0] * len(CURVE)
        row[food], row[poison] = good, bad
        made.append(row)
    return made


@pytest.mark.parametrize(
    ("meals", "expected"),
    [
        ([(100, 2)] * 5, 500),
        ([(100, 2)] * 4, None),
        ([(10, 9)] * 3 + [(100, 1)] * 5, 700),  # the bad ones fade out of the window
        ([(100, 6)] * 9, None),  # 5.7 % poison
        ([(19, 0)] * 9, None),  # tells them apart, and hardly eats
        ([(21, 0)] * 9, 500),
        ([], None),
    ],
)
def test_learned_is_when_five_updates_show_it(
    meals: list[tuple[float, float]], expected: int | None
) -> None:
    assert learned_at(rows(*meals)) == expected


def test_curves_keep_every_so_many_points_and_the_last() -> None:
    found = curves(rows(*[(k, 0) for k in range(1, 8)]), every=3)
    assert found["total_steps"] == [300, 600, 700]
    assert found["food"] == [3, 6, 7]
    assert curves(rows((1.23456, 0)), every=1)["food"] == [1.235]
    assert curves([], every=2)["food"] == []


def test_a_unit_is_judged_at_the_steps_that_were_asked_for(tmp_path: Path) -> None:
    found = train_unit(SETTINGS, 3, tmp_path)
    assert list(found["metrics"]["at"]) == ["100", "256"]
    assert found["metrics"]["total_steps"] == 256
    assert found["curves"]["total_steps"] == [64, 128, 192, 256]
    trainer = PPOTrainer(tiny({"training.mode": "proxy"}), 3)
    policy = trainer.run(should_stop=lambda: trainer.updates_done == 2).policy  # 128 steps
    assert measures.judge(policy, thorough=False) == found["metrics"]["at"]["100"]
    assert set(found["metrics"]["at"]["256"]) == {"immortal", "mortal", "greedy", "swap"}
    assert not list(tmp_path.iterdir())


def interrupt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the unit of seed 3, and cut it off after three updates."""
    real = PPOTrainer.run

    def cut(trainer: PPOTrainer, on_update: Callable[[UpdateRecord], None], stop: Any) -> Any:
        def watch(record: UpdateRecord) -> None:
            on_update(record)
            if record.update == 3:
                raise KeyboardInterrupt

        return real(trainer, watch, stop)

    monkeypatch.setattr(PPOTrainer, "run", cut)
    with pytest.raises(KeyboardInterrupt):
        train_unit(SETTINGS, 3, folder)
    monkeypatch.setattr(PPOTrainer, "run", real)
    assert len(list(folder.iterdir())) == 1


def updates_begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note from now on before which updates a trainer stood."""
    done: list[int] = []
    one = PPOTrainer.train_one_update
    monkeypatch.setattr(
        PPOTrainer, "train_one_update", lambda self: done.append(self.updates_done) or one(self)
    )
    return done


def test_an_interrupted_unit_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_unit(SETTINGS, 3, tmp_path / "whole")
    interrupt(tmp_path / "cut", monkeypatch)
    done = updates_begun(monkeypatch)
    assert train_unit(SETTINGS, 3, tmp_path / "cut") == whole
    assert done == [3]


def test_an_unfinished_run_of_another_definition_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(tmp_path, monkeypatch)
    patient = {"training.gamma": 0.5}
    moved = SETTINGS | {"overrides": SETTINGS["overrides"] | patient}
    expected = train_unit(moved, 3, tmp_path / "new")
    monkeypatch.setattr(  # as if the shipped default had been changed
        measures, "load_config", lambda overrides: load_config(overrides={**overrides, **patient})
    )
    done = updates_begun(monkeypatch)
    assert train_unit(SETTINGS, 3, tmp_path)["metrics"] == expected["metrics"]
    assert done == [0, 1, 2, 3]
    monkeypatch.undo()
    done = updates_begun(monkeypatch)
    monkeypatch.setattr(measures, "WINDOW", 6)  # nor one that was to stop by another rule
    train_unit(SETTINGS, 3, tmp_path)
    assert done == [0, 1, 2, 3]


def test_a_unit_says_where_it_was_computed(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    overrides = SETTINGS["overrides"] | {"runtime.threads": 2, "runtime.precision": "bfloat16",
                                         "runtime.memory_format": "channels_last"}  # fmt: skip
    told = {"device": "cpu", "precision": "bfloat16", "memory_format": "channels_last",
            "threads": 1, "repeatable": True}  # fmt: skip
    full = told | {"precision": "float32"}
    small = {"cloning.samples": 100, "cloning.held_out_samples": 50, "cloning.epochs": 1,
             "cloning.evaluation_envs": 2}  # fmt: skip
    for more, expected in (
        ({}, told),
        ({"scripted": "random"}, full),
        ({"expert": "food_only", "overrides": overrides | small}, full),
        ({"peer": True}, full),
    ):
        settings = {"overrides": overrides, "judge": [256]} | more
        assert agent_unit(settings, 3, tmp_path)["placement"] == expected, more


def test_seeds_and_settings_do_not_share_an_unfinished_run(tmp_path: Path) -> None:
    assert train_unit(SETTINGS, 3, tmp_path) != train_unit(SETTINGS, 4, tmp_path)
    keys = {measures._key(SETTINGS, 3), measures._key(SETTINGS, 4)}
    assert len(keys | {measures._key(SETTINGS | {"judge": [256]}, 3)}) == 3


def test_fitness_is_what_the_verification_command_finds(tmp_path: Path) -> None:
    found = train_unit(SETTINGS | {"verify": True}, 3, tmp_path)["metrics"]["at"]
    assert found["100"]["verification"] != found["256"]["verification"]
    policies = []
    config = load_config(overrides={**SETTINGS["overrides"], "runtime.threads": 1})
    trainer = PPOTrainer(config, 3)
    trainer.run(lambda _: policies.append(trainer.policy()))
    verdict = verify(policies[-1], config, measures.EVALUATION_SEED)
    assert found["256"]["verification"]["directional"] == verdict.accuracy
    assert found["256"]["verification"]["alive"] == verdict.alive
    assert not found["256"]["verification"]["passed"]


def test_a_unit_stops_once_it_has_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "WINDOW", 2)
    monkeypatch.setattr(measures, "POISON_SHARE", 1.1)
    monkeypatch.setattr(measures, "MEALS", 0.0)
    found = train_unit(SETTINGS | {"stop_when_learned": True}, 3, tmp_path)["metrics"]
    assert found["learned_at"] == found["total_steps"] == 128
    settings = SETTINGS | {"stop_when_learned": True, "judge": ["end"]}
    assert set(train_unit(settings, 3, tmp_path)["metrics"]["at"]) == {"end"}


def test_a_scripted_agent_stands_beside_in_other_worlds_for_each_seed(tmp_path: Path) -> None:
    settings = {"overrides": TINY, "scripted": "random", "judge": [100]}
    first, second = (agent_unit(settings, seed, tmp_path)["metrics"]["at"] for seed in (1, 2))
    assert first != second
    config = tiny()
    agent = ScriptedAgent("random", config)
    scores = evaluate(agent, config, measures.EVALUATION_SEED + 1, immortal=True)
    assert first["100"]["immortal"] == asdict(scores)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_cascade_begins_with_the_trained_map(tmp_path: Path, memory_format: str) -> None:
    pytest.importorskip("captum")
    overrides = SETTINGS["overrides"] | {"runtime.memory_format": memory_format}
    settings = {"overrides": overrides, "judge": [], "cascade": True}
    found = train_unit(settings, 3, tmp_path)["metrics"]
    for stages in found["cascade"].values():
        assert list(stages) == ["trained", "network_policy", "network_fc", "network_conv_2",
                                "network_conv_0"]  # fmt: skip
        assert stages["trained"] == 1.0
        assert all(-1 <= value <= 1 for value in stages.values())


def test_a_peer_is_trained_and_judged_like_ours(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    settings = SETTINGS | {"judge": [256], "peer": True}
    found = agent_unit(settings, 3, tmp_path)
    assert agent_unit(settings, 3, tmp_path) == found
    assert agent_unit(settings, 4, tmp_path) != found
    assert set(found["metrics"]["at"]["256"]) == {"immortal", "mortal"}
