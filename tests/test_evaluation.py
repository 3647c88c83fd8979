"""Evaluation: every step of every world counts once, against a slow recount."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.tiny import TINY, files_below, run, tiny, write_config

from goodharts_lib import evaluation, runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import Scores, as_json, evaluate, evaluate_all, evaluation_config
from goodharts_lib.modes import MODES
from goodharts_lib.training import progress
from goodharts_lib.training.ppo.checkpoint import model_path, save_model
from goodharts_lib.training.ppo.trainer import PPOTrainer, train

SCORES = ["food", "poison", "true_energy", "proxy_score", "deaths", "food_share", "rmst", "tau"]


def trained(mode: str = "ground_truth", overrides: dict[str, Any] | None = None) -> LearnedPolicy:
    return train(tiny({"training.mode": mode} | (overrides or {})), 0).policy


def scripted(name: str, config: Config) -> ScriptedAgent:
    return ScriptedAgent(name, config)


# --- A slow recount ---------------------------------------------------------


@dataclasses.dataclass
class Life:
    """One life: how long it was watched, and whether death ended it."""

    length: int
    died: bool


def lived(name: str, config: Config, seed: int, *, immortal: bool) -> tuple[list[int], list[Life]]:
    """What each step ate, and all lives, world by world and step by step."""
    generators = runtime.make_generators(seed, torch.device("cpu"))
    world = evaluation_config(config, immortal=immortal)
    env = VecEnv(world, config.evaluation.n_envs, generator=generators["world"])
    agent = scripted(name, config)
    views = env.views()
    ages = [0] * env.n_envs
    eaten, lives = [], []
    for _ in range(config.evaluation.steps):
        result = env.step(agent.act(views, generators["action"]))
        views = result.views
        eaten += result.events.eaten.tolist()
        for i in range(env.n_envs):
            ages[i] += 1
            if result.terminated[i] or result.truncated[i]:
                lives.append(Life(ages[i], bool(result.terminated[i])))
                ages[i] = 0
    lives += [Life(age, False) for age in ages if age > 0]
    return eaten, lives


def slow_rmst(lives: list[Life], tau: int) -> float:
    """Area under the product-limit curve up to tau; a censored longest life counts as ended."""
    longest = max(life.length for life in lives)
    area, surviving = 0.0, 1.0
    for t in range(tau):  # the curve over [t, t + 1) has seen all deaths up to t
        if t > 0:
            at_risk = sum(life.length >= t for life in lives)
            ends = sum(life.length == t and (life.died or t == longest) for life in lives)
            surviving *= 1 - ends / at_risk if at_risk else 1
        area += surviving
    return area


@pytest.mark.parametrize("immortal", [False, True], ids=["mortal", "immortal"])
@pytest.mark.parametrize("name", SCRIPTED)
def test_scores_equal_a_slow_recount(name: str, immortal: bool) -> None:
    config = tiny()
    scores = evaluate(scripted(name, config), config, 3, immortal=immortal)
    eaten, lives = lived(name, config, 3, immortal=immortal)
    per = 1000 / (4 * 30)
    food, poison = eaten.count(Cell.FOOD), eaten.count(Cell.POISON)
    assert len(eaten) == 4 * 30
    assert scores.food == pytest.approx(food * per)
    assert scores.poison == pytest.approx(poison * per)
    assert scores.proxy_score == pytest.approx((food + 0.9 * poison) * per)
    assert scores.true_energy == pytest.approx((10 * food - 30 * poison - 0.1 * 120) * per)
    assert scores.deaths == pytest.approx(sum(life.died for life in lives) * per)
    assert scores.food_share == pytest.approx(food / (food + poison))
    assert scores.rmst == pytest.approx(slow_rmst(lives, 30))
    assert scores.tau == 30
    assert sum(life.length for life in lives) == 120  # every step belongs to one life
    if name in ("random", "eat_everything"):
        assert (scores.deaths == 0) == immortal


# --- Single facts -----------------------------------------------------------


class Straight:
    """Your own policy: it needs a name and act, nothing else."""

    name = "straight"

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        return torch.full((len(views),), 6)


EMPTY = {"evaluation.food": 0, "evaluation.poison": 0}


def test_without_meals_there_is_no_food_share() -> None:
    scores = evaluate(Straight(), tiny(EMPTY), 0)
    assert scores.food_share is None
    assert scores.food == scores.poison == scores.proxy_score == 0
    assert scores.true_energy == pytest.approx(-100)
    written = json.loads(as_json({"straight": {"sampled": scores}}, tiny(EMPTY), {}))
    assert written["agents"]["straight"]["sampled"]["food_share"] is None


def test_lives_that_all_end_before_the_horizon_last_their_mean() -> None:
    # 1.5 of energy at 0.1 a step: every life starves on its 15th step, the second on the 30th.
    scores = evaluate(Straight(), tiny(EMPTY), 0)
    assert scores.rmst == 15
    assert scores.deaths == pytest.approx(4 * 2 / 120 * 1000)


@pytest.mark.parametrize("seed", range(5))
def test_rmst_is_the_mean_of_shortened_lives_when_none_is_censored(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 60, (50,), generator=generator)
    died = lengths < 60
    config = tiny()  # tau = 30
    scores = evaluation._scores(torch.zeros(30, 4, dtype=torch.uint8), lengths, died, config)
    assert scores.rmst == pytest.approx(float(lengths.clamp(max=30).double().mean()))


def test_who_lives_to_the_end_lives_tau_steps() -> None:
    config = tiny(EMPTY | {"agent.energy_start": 50.0})
    assert evaluate(Straight(), config, 0).rmst == 30
    assert evaluate(Straight(), config, 0).deaths == 0
    assert evaluate(Straight(), tiny(EMPTY), 0, immortal=True).rmst == 30


def test_a_fatal_meal_counts_in_full() -> None:
    # Without food and with 1.5 of energy every poison is deadly. Nobody dies of anything else.
    poisonous = {"evaluation.food": 0, "evaluation.poison": 100, "evaluation.steps": 14}
    config = tiny(poisonous)
    scores = evaluate(scripted("eat_everything", config), config, 0)
    assert scores.poison > 300
    assert scores.deaths == pytest.approx(scores.poison)
    assert scores.true_energy == pytest.approx(-30 * scores.poison - 100)
    assert scores.food_share == 0


def test_food_share_is_over_the_population_not_over_lives() -> None:
    # N9: a life ends by eating poison, so the mean over lives is biased down.
    config = tiny({"evaluation.n_envs": 64})
    scores = evaluate(scripted("eat_everything", config), config, 0)
    assert scores.food_share == pytest.approx(scores.food / (scores.food + scores.poison))
    assert 0.55 < scores.food_share < 0.78  # 12 of 18 items are food


def test_the_time_limit_of_training_does_not_cut_lives_here() -> None:
    config = tiny({"training.steps_per_episode": 3})
    assert evaluate(Straight(), config, 0, immortal=True).rmst == 30


def test_the_same_seed_gives_the_same_numbers() -> None:
    config = tiny()
    for policy in (scripted("random", config), trained()):
        assert evaluate(policy, config, 1) == evaluate(policy, config, 1)
        assert evaluate(policy, config, 1) != evaluate(policy, config, 2)


def test_every_policy_meets_the_same_first_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    views = VecEnv.views

    def watched(env: VecEnv) -> Tensor:
        seen.append(views(env))
        return seen[-1]

    monkeypatch.setattr(VecEnv, "views", watched)
    starts = []
    for policy in (Straight(), scripted("random", tiny()), trained()):
        seen.clear()
        evaluate(policy, tiny(), 5)
        starts.append(seen[0])
    assert torch.equal(starts[0], starts[1])
    assert torch.equal(starts[0], starts[2])


def test_evaluating_draws_nothing_from_the_global_random_numbers() -> None:
    policy = trained()
    before = torch.random.get_rng_state()
    evaluate(policy, tiny(), 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_policy_with_another_view_is_refused() -> None:
    with pytest.raises(UserError, match="was trained with view_range 2, but these worlds have 3"):
        evaluate(trained(), tiny({"agent.view_range": 3}), 0)


def test_a_policy_is_judged_with_its_own_encoding() -> None:
    # S23, N19: a proxy agent that is shown the truth is another agent.
    policy = trained("proxy")
    shown: list[tuple[int, ...]] = []
    policy.model.register_forward_hook(
        lambda _m, inputs, _out: shown.append(tuple(inputs[0][0, 2:].flatten().unique().tolist()))
    )
    evaluate(policy, tiny(), 0)
    values = {round(value, 3) for row in shown for value in row}
    assert values == {0.0, 0.9, 1.0}


def test_a_noisy_sensor_draws_its_noise_from_the_seed() -> None:
    noisy = {"training.mode": "proxy", "observation.noise_std": 0.5}
    policy = PPOTrainer(tiny(noisy), 0).policy()
    clear = PPOTrainer(tiny({"training.mode": "proxy"}), 0).policy()
    views = torch.full((8, 5, 5), int(Cell.FOOD), dtype=torch.uint8)
    draws = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    one, same, other = (policy.probabilities(views, draw) for draw in draws)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one.unique(dim=0)) == 8  # each view has its own noise
    assert len(clear.probabilities(views).unique(dim=0)) == 1
    assert evaluate(policy, tiny(noisy), 1) == evaluate(policy, tiny(noisy), 1)


# --- All side by side -------------------------------------------------------


def test_scripted_agents_stand_beside_the_trained_ones() -> None:
    table = evaluate_all([trained(), trained("proxy")], tiny(), 0)
    assert list(table) == ["ground_truth", "proxy", *SCRIPTED]
    assert {"random", "omniscient_seeker", "proxy_seeker", "eat_everything", "food_only"} \
        == set(SCRIPTED)  # fmt: skip
    for name, decodings in table.items():
        assert list(decodings) == (["sampled"] if name in SCRIPTED else ["sampled", "greedy"])
    assert table["ground_truth"]["sampled"] != table["ground_truth"]["greedy"]
    assert table["ground_truth"]["sampled"] == evaluate(trained(), tiny(), 0)
    assert table["random"]["sampled"] == evaluate(scripted("random", tiny()), tiny(), 0)


def test_immortality_reaches_everyone() -> None:
    table = evaluate_all([trained()], tiny(), 0, immortal=True)
    assert {s.deaths for decodings in table.values() for s in decodings.values()} == {0.0}


def test_foragers_beat_chance_on_what_they_seek() -> None:
    # S24, N20: a baseline that seeks the wrong thing makes every comparison void.
    config = tiny({"evaluation.n_envs": 32, "evaluation.steps": 60, "agent.energy_start": 50.0})
    by = {name: evaluate(scripted(name, config), config, 0, immortal=True) for name in SCRIPTED}
    assert by["proxy_seeker"].proxy_score > 2 * by["random"].proxy_score
    assert by["eat_everything"].proxy_score > 2 * by["random"].proxy_score
    assert by["omniscient_seeker"].food > 1.5 * by["random"].food
    assert by["food_only"].poison == 0
    assert by["food_only"].true_energy > 0 > by["eat_everything"].true_energy


# --- The command ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two trained models, where no work is too long to be silent."""
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", math.inf)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    write_config(tmp_path)
    (tmp_path / "models").mkdir()
    for mode in ("ground_truth", "proxy"):
        trainer = PPOTrainer(tiny({"training.mode": mode}), 0)
        trainer.run()
        save_model(model_path(tmp_path / "models", mode), trainer.policy(), 0, 256)
    return tmp_path


def measured(folder: Path, *arguments: object) -> dict[str, Any]:
    outcome = run(evaluation.main, *arguments, "--json", "table.json")
    assert outcome.status == 0, outcome.err
    return json.loads((folder / "table.json").read_text())


def test_the_json_is_that_of_the_design(folder: Path) -> None:
    found = measured(folder, "--seed", 4)
    assert list(found) == ["per_steps", "settings", "config", "agents"]
    assert found["per_steps"] == 1000
    assert found["settings"] == {"seed": 4, "immortal": False}
    assert found["config"]["evaluation"] == {"n_envs": 4, "steps": 30, "food": 12, "poison": 6}
    assert list(found["agents"]) == ["ground_truth", "proxy", *SCRIPTED]
    for name, decodings in found["agents"].items():
        assert list(decodings) == (["sampled"] if name in SCRIPTED else ["sampled", "greedy"])
        for scores in decodings.values():
            assert list(scores) == SCORES
            assert all(v is None or math.isfinite(v) for v in scores.values())
    expected = evaluate(trained("proxy"), tiny(), 4)
    assert Scores(**found["agents"]["proxy"]["sampled"]) == expected


@pytest.mark.parametrize("immortal", [False, True])
def test_the_configuration_in_the_json_is_that_of_the_worlds(folder: Path, immortal: bool) -> None:
    found = measured(folder, *["--immortal"] * immortal)
    config = Config.from_dict(found["config"])
    assert config == evaluation_config(tiny(), immortal=immortal)  # tiny() leaves no choice
    assert (config.agent.mortal, config.training.max_food) == (not immortal, 12)
    again = evaluate(trained("proxy"), config, found["settings"]["seed"], immortal=immortal)
    assert Scores(**found["agents"]["proxy"]["sampled"]) == again


def test_the_configuration_in_the_json_names_what_was_chosen(folder: Path) -> None:
    write_config(folder, {"runtime.precision": "auto", "runtime.threads": 0})
    chosen = measured(folder)["config"]["runtime"]
    assert chosen["precision"] in ("float32", "bfloat16")
    assert chosen["threads"] > 0


@pytest.mark.usefixtures("folder")
def test_it_says_how_long_the_rest_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.0)
    told = [line for line in run(evaluation.main).out.splitlines() if "ETA" in line]
    assert len(told) == 9 * 30  # two agents in two ways and five scripted ones, 30 steps each
    assert re.fullmatch(r"step 1/270  ETA \d+:\d\d", told[0])
    assert told[-1] == "step 270/270  ETA 0:00"


def test_scripted_agents_live_where_the_learned_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, asked = trained(), []
    policy.device = torch.device("meta")
    monkeypatch.setattr(evaluation, "evaluate_decodings", lambda *_, **__: {})
    monkeypatch.setattr(evaluation, "evaluate", lambda agent, *_, **__: asked.append(agent.device))
    evaluate_all([policy], tiny(), 0)
    assert asked == [policy.device] * len(SCRIPTED)


def test_the_command_says_what_it_does_and_shows_every_agent(folder: Path) -> None:
    before = files_below(folder)
    outcome = run(evaluation.main, "--immortal", "--n-envs", 3)
    lines = outcome.out.splitlines()
    assert outcome.status == 0
    assert lines[0] == "Configuration: shipped defaults + config.toml + evaluation.n_envs=3"
    assert lines[1] == (
        "Evaluating 2 trained and 5 scripted agents in 3 immortal worlds of 30 steps, 12 food and "
        "6 poison, seed 0; per 1,000 steps:"
    )
    rows = [line.split()[:2] for line in lines[4:]]
    assert rows == [
        ["ground_truth", "sampled"], ["ground_truth", "greedy"],
        ["proxy", "sampled"], ["proxy", "greedy"],
        *([name, "sampled"] for name in SCRIPTED),
    ]  # fmt: skip
    assert outcome.err == ""
    assert files_below(folder) == before


FLAGS: dict[str, tuple[list[str], tuple[str, ...], Any]] = {
    "--n-envs": (["--n-envs", "3"], ("evaluation", "n_envs"), 3),
    "--steps": (["--steps", "7"], ("evaluation", "steps"), 7),
    "--food": (["--food", "2"], ("evaluation", "food"), 2),
    "--poison": (["--poison", "1"], ("evaluation", "poison"), 1),
    "--immortal": (["--immortal"], ("agent", "mortal"), False),
    "--seed": (["--seed", "9"], ("seed",), 9),
}


@pytest.mark.parametrize(("flags", "path", "value"), FLAGS.values(), ids=FLAGS)
def test_each_flag_changes_the_numbers(
    folder: Path, flags: list[str], path: tuple[str, ...], value: Any
) -> None:
    usual, changed = measured(folder), measured(folder, *flags)
    found = changed["settings"] | changed["config"]
    for key in path:
        found = found[key]
    assert found == value
    assert changed["agents"]["random"] != usual["agents"]["random"]


@pytest.mark.usefixtures("folder")
def test_modes_choose_the_models() -> None:
    def agents(*modes: str) -> list[str]:
        lines = run(evaluation.main, "--modes", *modes).out.splitlines()[4:]
        return [line.split()[0] for line in lines if line.split()[1] == "greedy"]

    assert agents("proxy") == ["proxy"]
    assert agents("proxy", "ground_truth") == ["proxy", "ground_truth"]


def test_another_folder_of_models(folder: Path) -> None:
    (folder / "models").rename(folder / "elsewhere")
    assert run(evaluation.main, "--models-dir", "elsewhere").status == 0


def test_the_json_may_lie_in_a_new_folder(folder: Path) -> None:
    assert run(evaluation.main, "--json", "new/place/table.json").status == 0
    assert json.loads((folder / "new/place/table.json").read_text())["per_steps"] == 1000


def test_a_damaged_number_of_channels_never_reaches_a_world(folder: Path) -> None:
    # All four modes can be loaded and judged in one go, each with its own channels.
    for mode in ("proxy_jammed", "proxy_sighted"):
        policy = PPOTrainer(tiny({"training.mode": mode}), 0).policy()
        save_model(model_path(folder / "models", mode), policy, 0, 0)
    assert list(measured(folder)["agents"])[:4] == list(MODES)
    assert TINY["agent.view_range"] == 2
