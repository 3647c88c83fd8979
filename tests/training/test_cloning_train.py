"""Cloning a whole expert: what is learned, what is logged, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.test_cloning import CLONE
from training.tiny import TINY, files_below, run, tiny, write_config

from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import Policy, evaluate
from goodharts_lib.training import train, train_log
from goodharts_lib.training.cloning import CloneLog, CloneResult, EpochRecord
from goodharts_lib.training.collect import Demonstrations
from goodharts_lib.training.ppo.checkpoint import load_policy, save_model
from goodharts_lib.training.train import Cloner, clone
from goodharts_lib.training.train_log import read_rows


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def small(overrides: dict[str, Any] | None = None) -> Config:
    return tiny(CLONE | (overrides or {}))


def cloned(config: Config, seed: int) -> CloneResult:
    return clone(config, config.cloning.expert, seed)


def weights(of: Cloner) -> Tensor:
    return torch.cat([p.detach().flatten() for p in of.policy.model.parameters()])


# --- Learning ---------------------------------------------------------------


def test_a_run_is_a_function_of_configuration_and_seed() -> None:
    runs = [cloned(small({"cloning.dagger_rounds": 1}), seed) for seed in (3, 3, 4)]
    assert runs[0].history == runs[1].history
    assert runs[0].history != runs[2].history
    views = torch.randint(4, (9, 5, 5), dtype=torch.uint8)
    logits = [result.policy.evaluate(views)[0] for result in runs]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_the_first_weights_come_from_the_seed_alone() -> None:
    drawn = []
    for other_randomness, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(other_randomness)
        drawn.append(weights(Cloner(small(), seed)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


def test_a_clone_of_food_only_learns_to_imitate_and_to_eat() -> None:
    learner = {
        "cloning.expert": "food_only",
        "cloning.samples": 2000,
        "cloning.held_out_samples": 400,
        "cloning.epochs": 6,
        "cloning.evaluation_envs": 16,
    }
    history = cloned(small(learner), 0).history
    first, last = history[0], history[-1]
    assert last.accuracy > max(0.8, first.accuracy)
    assert last.accuracy_food_in_view > 0.8  # type: ignore[operator]
    assert last.loss < first.loss
    assert last.cross_entropy < first.cross_entropy
    assert last.train_accuracy > first.train_accuracy
    assert last.ceiling == last.ceiling_food_in_view == 1  # food_only is never random
    assert min(last.true_energy_sampled, last.true_energy_greedy) > first.true_energy_sampled


def test_two_answers_to_one_state_are_learned_in_proportion_to_their_weights() -> None:
    # One sample a minibatch: weights that were normalised there would all be 1.
    cloner = Cloner(small({"cloning.batch_size": 1}), 0)
    actions = torch.tensor([2] * 10 + [5] * 10)
    samples = Demonstrations(torch.zeros(20, 5, 5, dtype=torch.uint8), actions)
    heavy = torch.where(actions == 2, 1.8, 0.2)
    for rate in (3e-3, 3e-4):
        for group in cloner.optimizer.param_groups:
            group["lr"] = rate
        for _ in range(15):
            loss, accuracy = cloner.learn(samples, heavy)
    learned = cloner.policy.probabilities(samples.views[:1])[0]
    assert learned[2].item() == pytest.approx(0.9, abs=0.04)
    assert accuracy == 0.5
    assert loss == pytest.approx(0.325, abs=0.05)  # the entropy of 9 to 1, in nats


def test_the_value_head_learns_nothing() -> None:
    cloner = Cloner(small(), 0)
    head, trunk = cloner.policy.model.value_head, cloner.policy.model.network
    before = [p.clone() for p in (*head.parameters(), *trunk.parameters())]
    cloner.run()
    same = [torch.equal(p, q) for p, q in
            zip((*head.parameters(), *trunk.parameters()), before, strict=True)]  # fmt: skip
    assert same == [True] * 2 + [False] * (len(same) - 2)


def test_the_held_out_states_do_not_depend_on_how_much_is_learned() -> None:
    one, other = Cloner(small(), 5), Cloner(small({"cloning.samples": 80}), 5)
    assert torch.equal(one.held_out.views, other.held_out.views)
    assert torch.equal(one.ceilings, other.ceilings)
    assert len(one.held_out) == 60
    starts = one.held_out.views[::20], one.collect(60).views[::20]  # of three episodes
    assert not torch.equal(*starts)  # learned from are other worlds


class Asked:
    """Watches how samples are collected."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, Policy | None]] = []
        collect = train.collect

        def watched(expert: Any, config: Any, n: int, generators: Any, driver: Any) -> Any:
            self.calls.append((n, driver))
            return collect(expert, config, n, generators, driver)

        patch.setattr(train, "collect", watched)


def test_in_dagger_the_clone_walks_all_parts_but_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Asked(monkeypatch)
    settings = {"cloning.samples": 100, "cloning.dagger_rounds": 2, "cloning.synthetic": 7}
    cloner = Cloner(small(settings), 0)
    history = cloner.run().history
    assert asked.calls == [(60, None), (33, None), (33, cloner.policy), (34, cloner.policy)]
    assert not cloner.policy.greedy
    assert [record.epoch for record in history] == [1, 2, 3, 4, 5, 6]
    assert [record.round for record in history] == [0, 0, 1, 1, 2, 2]
    assert [record.samples for record in history] == [40, 40, 73, 73, 107, 107]


def test_made_up_samples_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Demonstrations] = []
    learn = Cloner.learn

    def watched(cloner: Cloner, samples: Demonstrations, heavy: Tensor) -> tuple[float, float]:
        seen.append(samples)
        return learn(cloner, samples, heavy)

    monkeypatch.setattr(Cloner, "learn", watched)
    cloned(small({"cloning.synthetic": 30, "cloning.samples": 20}), 0)
    items = (seen[0].views > Cell.EMPTY).flatten(1).sum(1)
    assert len(items) == 50
    assert items[:30].tolist() == [1] * 30


@pytest.mark.parametrize("mode", ["ground_truth", "proxy", "proxy_jammed", "proxy_sighted"])
def test_a_clone_has_the_eyes_of_its_mode_and_keeps_them(mode: str, tmp_path: Path) -> None:
    config = small({"training.mode": mode, "cloning.expert": "proxy_seeker",
                    "items.poison_interestingness": 1.0})  # fmt: skip
    policy = cloned(config, 0).policy
    food, poison = torch.zeros(2, 1, 5, 5, dtype=torch.uint8)
    food[0, 2, 3], poison[0, 2, 3] = Cell.FOOD, Cell.POISON
    alike = torch.equal(policy.evaluate(food)[0], policy.evaluate(poison)[0])
    assert alike == (policy.mode.sees == "glow")
    assert policy.name == "clone_proxy_seeker"
    save_model(tmp_path / "clone.safetensors", policy, 0, 120)
    loaded = load_policy(tmp_path / "clone.safetensors")
    assert (loaded.name, loaded.mode) == (policy.name, policy.mode)
    assert torch.equal(loaded.evaluate(food)[0], policy.evaluate(food)[0])


def test_a_noisy_sensor_reads_anew_every_time() -> None:
    cloner = Cloner(small({"training.mode": "proxy", "observation.noise_std": 0.5}), 0)
    views = torch.full((3, 5, 5), Cell.FOOD, dtype=torch.uint8)
    assert not torch.equal(cloner.observe(views), cloner.observe(views))
    assert cloner.run().history[-1].samples == 120


def test_each_epoch_is_judged_in_the_same_few_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[bool, int, int]] = []

    def watched(policy: Any, config: Any, seed: int) -> Any:
        judged.append((policy.greedy, config.evaluation.n_envs, seed))
        return replace(evaluate(policy, config, seed), true_energy=float(policy.greedy))

    monkeypatch.setattr(train, "evaluate", watched)
    cloner = Cloner(small({"cloning.evaluation_envs": 3}), 0)
    history = cloner.run().history
    assert judged == [(False, 3, cloner.judge), (True, 3, cloner.judge)] * 2
    assert {(r.true_energy_sampled, r.true_energy_greedy) for r in history} == {(0.0, 1.0)}


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"cloning.expert": "food_onyl"}, "unknown scripted agent 'food_onyl'.*food_only"),
        ({"training.mode": "glow"}, "unknown mode 'glow'"),
        ({"training.network": "cnn"}, "unknown network 'cnn'"),
        ({"cloning.reward_weight": 0.0}, "'cloning.reward_weight' must be between 0.001 and"),
        ({"cloning.epochs": 0}, "'cloning.epochs' must be at least 1"),
        ({"cloning.synthetic": -1}, "'cloning.synthetic' must be at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        cloned(small(overrides), 0)


def test_a_loss_that_is_not_finite_is_one_sentence() -> None:
    cloner = Cloner(small(), 0)
    with torch.no_grad():
        cloner.policy.model.network.fc.bias[0] = torch.inf
    with pytest.raises(UserError, match="the loss is no longer finite: lower the learning rate"):
        cloner.run()


def test_the_result_names_the_settings_that_were_used() -> None:
    config = cloned(small({"runtime.precision": "bfloat16", "cloning.epochs": 1}), 0).config
    assert config.runtime.precision == "float32"
    assert config.training.learning_rate == 1e-3


# --- Logs and the command ---------------------------------------------------


def test_two_runs_never_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Noon:
            return cls(2026, 1, 1, 12, tzinfo=tz)

    monkeypatch.setattr(train_log, "datetime", Noon)
    stems = [CloneLog(tmp_path, "clone_random").stem.name for _ in range(3)]
    assert Noon.now(UTC).hour == 12
    noon = "clone_random_20260101T120000Z"
    assert stems == [noon, f"{noon}_2", f"{noon}_3"]
    assert files_below(tmp_path) == {f"{stem}_epochs.csv" for stem in stems}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    write_config(tmp_path, CLONE)
    return tmp_path


def test_the_command_explains_clones_and_compares(folder: Path) -> None:
    outcome = run(train.main, "--expert", "food_only", "--seed", 3)
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    for reason in ("deprecated", "no negative examples", "distribution shift", "not surviving"):
        assert reason in lines[1]
    assert lines[0].startswith("Configuration: shipped defaults + config.toml")
    assert "ETA 0:00" in outcome.out
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["food_only", "sampled"],
        ["clone_food_only", "sampled"],
        ["clone_food_only", "greedy"],
    ]
    (log,) = (folder / "logs").glob("*_epochs.csv")
    rows = read_rows(log)
    expected = clone(load_config(folder / "config.toml"), "food_only", 3)
    assert [EpochRecord(**row) for row in rows] == list(expected.history)
    policy = load_policy(folder / "models" / "clone_food_only.safetensors")
    views = torch.randint(4, (9, 5, 5), dtype=torch.uint8)
    assert torch.equal(policy.evaluate(views)[0], expected.policy.evaluate(views)[0])
    summary = json.loads(log.with_name(log.name.replace("epochs.csv", "summary.json")).read_text())
    assert summary["last_epoch"] == rows[-1]
    assert (summary["expert"], summary["seed"], summary["epochs"]) == ("food_only", 3, 2)
    assert summary["scores"]["clone_food_only"].keys() == {"sampled", "greedy"}
    assert f"{summary['scores']['food_only']['sampled']['food']:.1f}" in lines[-3]


FLAGS = {
    "--expert": "proxy_seeker",
    "--mode": "proxy",
    "--network": "base_cnn",
    "--epochs": 1,
    "--batch-size": 16,
    "--lr": 0.01,
    "--collection-steps": 50,
    "--dagger": 1,
    "--reward-weight": 2.0,
    "--visibility-weight": 3.0,
    "--synthetic": 5,
}


def test_every_flag_reaches_the_run(folder: Path) -> None:
    words = [word for pair in FLAGS.items() for word in pair]
    places = ["--models-dir", "my/models", "--log-dir", "my/logs"]
    assert run(train.main, *words, *places).status == 0
    assert (folder / "my" / "models" / "clone_proxy_seeker.safetensors").exists()
    (log,) = (folder / "my" / "logs").glob("*_summary.json")
    config = json.loads(log.read_text())["config"]
    assert list(FLAGS) == [f"--{name.replace('_', '-')}" for name in train.FLAGS]
    for (key, _, _), value in zip(train.FLAGS.values(), FLAGS.values(), strict=True):
        section, name = key.split(".")
        assert config[section][name] == value
        assert TINY.get(key) != value


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--expert", "nobody"], "unknown scripted agent 'nobody'"),
        (["--mode", "all"], "unknown mode 'all'"),
        (["--epochs", "0"], "'cloning.epochs' must be at least 1"),
        (["--epochs", "many"], "argument --epochs: invalid int value"),
        (["--device", "cuda:99"], "device 'cuda:99' was asked for"),
        (["--log-dir", "config.toml"], "cannot write to the folder config.toml"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_nothing_is_written(
    folder: Path, words: list[str], complaint: str
) -> None:
    outcome = run(train.main, *words)
    assert outcome.status == 2
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert files_below(folder) == {"config.toml"}
