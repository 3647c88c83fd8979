"""Verification: a perfect agent passes, a transposed one and a poison eater do not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.tiny import Outcome, run, tiny, write_config

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import ACTIONS, action_index
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import Policy, evaluation_config
from goodharts_lib.modes import MODES
from goodharts_lib.training import progress, train_ppo
from goodharts_lib.training.ppo.checkpoint import model_path, save_model
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.verification import Verdict, verify
from goodharts_lib.training.verification import __main__ as command
from goodharts_lib.training.verification.directional import choice_accuracy, directional_accuracy
from goodharts_lib.training.verification.survival import alive_share

ARROWS = "↖←↙↑↓↗→↘"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def config() -> Config:
    """The shipped world, watched for a short while."""
    return load_config(overrides={"evaluation.n_envs": 32, "evaluation.steps": 120})


class Permuted:
    """An agent whose actions are read off another table."""

    def __init__(self, agent: Policy, permutation: list[int]) -> None:
        self.name = "ground_truth"
        self._agent = agent
        self._permutation = torch.tensor(permutation)

    def act(self, views: Tensor, draw: torch.Generator) -> Tensor:
        return self._permutation[self._agent.act(views, draw)]


class Always:
    """Always the same move."""

    name = "always"

    def __init__(self, arrow: str) -> None:
        self._action = ARROWS.index(arrow)

    def act(self, views: Tensor, draw: torch.Generator) -> Tensor:  # noqa: ARG002
        return torch.full((len(views),), self._action)


def transposed(agent: Policy) -> Permuted:
    """S1, N7: the agent's dx is read as dy."""
    return Permuted(agent, [action_index(a.dy, a.dx) for a in ACTIONS])


# --- The tests themselves ---------------------------------------------------


def test_a_perfect_agent_scores_100_percent(config: Config) -> None:
    verdict = verify(ScriptedAgent("food_only", config), config, 0)
    assert list(verdict.directional) == list(ARROWS)
    assert set(map(tuple, verdict.directional.values())) == {(1.0,) * 5}
    assert verdict.accuracy == 1.0
    assert verdict.choice == 1.0
    assert verdict.alive == 1.0
    assert verdict.passed


def test_a_transposed_agent_fails(config: Config) -> None:
    verdict = verify(transposed(ScriptedAgent("food_only", config)), config, 0)
    perfect = {arrow for arrow, row in verdict.directional.items() if min(row) == 1.0}
    assert perfect == {"↖", "↘"}
    assert verdict.accuracy == 0.25
    assert verdict.choice < 0.9
    assert not verdict.passed


def test_an_agent_that_eats_everything_fails_the_choice(config: Config) -> None:
    verdict = verify(ScriptedAgent("eat_everything", config), config, 0)
    assert verdict.accuracy == 1.0
    assert verdict.choice == pytest.approx(0.5, abs=0.15)
    assert not verdict.passed


def test_a_random_agent_fails_everything(config: Config) -> None:
    # Distance 1: one move of eight gets there; further off a straight or diagonal line has 3 or 1.
    verdict = verify(ScriptedAgent("random", config), config, 0)
    assert 0.1 < verdict.accuracy < 0.4
    assert verdict.choice == pytest.approx(0.5, abs=0.05)
    assert not verdict.passed


def test_always_right_is_right_where_food_is_on_the_right() -> None:
    table = directional_accuracy(Always("→"), 5, generator())
    assert {arrow: set(row) for arrow, row in table.items()} == {
        arrow: {1.0} if arrow == "→" else {0.0} for arrow in ARROWS
    }


def test_a_diagonal_helps_toward_three_sides() -> None:
    table = directional_accuracy(Always("↗"), 5, generator())
    assert table["↗"] == [1.0] * 5
    for arrow in "↑→":  # at distance 1 it leads past the food, from further off it leads nearer
        assert table[arrow] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert all(set(table[arrow]) == {0.0} for arrow in "↖←↙↓↘")


def slow_choice(arrow: str) -> float:
    """The share of right choices of one move, over all pairs of places at distances 1 and 2."""
    step = ACTIONS[ARROWS.index(arrow)]

    def nearer(x: int, y: int) -> bool:
        return max(abs(x - step.dx), abs(y - step.dy)) < max(abs(x), abs(y))

    right = wrong = 0
    for d in (1, 2):
        for food in ACTIONS:
            for poison in ACTIONS:
                to = nearer(food.dx * d, food.dy * d), nearer(poison.dx * d, poison.dy * d)
                right += food != poison and to == (True, False)
                wrong += food != poison and to == (False, True)
    return right / (right + wrong)


@pytest.mark.parametrize("arrow", ARROWS)
def test_who_does_not_look_chooses_as_often_right_as_wrong(arrow: str) -> None:
    assert choice_accuracy(Always(arrow), 5, generator()) == slow_choice(arrow) == 0.5


def test_what_is_shown_is_one_food_or_a_food_and_a_poison() -> None:
    shown: list[Tensor] = []

    class Watching(Always):
        def act(self, views: Tensor, draw: torch.Generator) -> Tensor:
            shown.append(views)
            return super().act(views, draw)

    directional_accuracy(Watching("→"), 5, generator())
    choice_accuracy(Watching("→"), 5, generator())
    one, two = shown
    assert one.shape[1:] == two.shape[1:] == (11, 11)
    assert set((one == Cell.FOOD).sum((1, 2)).tolist()) == {1}
    assert int((one > Cell.FOOD).sum()) == 0
    assert set((two == Cell.FOOD).sum((1, 2)).tolist()) == {1}
    assert set((two == Cell.POISON).sum((1, 2)).tolist()) == {1}
    # food to the upper right at distance 3: row 5 - 3, column 5 + 3
    place = (list(ARROWS).index("↗") * 5 + 2) * (len(one) // 40)
    assert one[place, 2, 8] == Cell.FOOD
    assert len(one.unique(dim=0)) == 40
    assert len(two.unique(dim=0)) == 2 * 8 * 7


@pytest.mark.parametrize("view_range", [1, 2, 3, 5, 7])
def test_only_what_is_in_view_is_asked_for(view_range: int) -> None:
    worlds = load_config(overrides={"agent.view_range": view_range})
    agent = ScriptedAgent("food_only", worlds)
    table = directional_accuracy(agent, view_range, generator())
    assert set(map(tuple, table.values())) == {(1.0,) * min(view_range, 5)}
    assert choice_accuracy(agent, view_range, generator()) == 1.0


def test_survival_is_the_share_of_first_lives_that_last() -> None:
    # Energy for 15 steps: who eats nothing else dies then.
    worlds = tiny({"evaluation.n_envs": 20, "evaluation.steps": 16})
    agent = ScriptedAgent("random", worlds)
    draws = runtime.make_generators(3, torch.device("cpu"))
    env = VecEnv(evaluation_config(worlds), 20, generator=draws["world"])
    views, dead = env.views(), set()
    for _ in range(16):
        result = env.step(agent.act(views, draws["action"]))
        views = result.views
        dead |= set(result.terminated.nonzero().flatten().tolist())
    assert 0 < len(dead) < 20
    assert alive_share(agent, worlds, 3) == pytest.approx(1 - len(dead) / 20)
    assert alive_share(agent, worlds, 3) == alive_share(agent, worlds, 3)


@pytest.mark.parametrize("steps", [14, 15])
def test_the_last_step_counts(steps: int) -> None:
    empty = {"evaluation.food": 0, "evaluation.poison": 0, "evaluation.steps": steps}
    assert alive_share(Always("→"), tiny(empty), 0) == float(steps < 15)


@pytest.mark.parametrize(
    ("missed", "choice", "alive", "passes"),
    [
        (0, 0.90, 0.90, True),
        (1, 1.0, 1.0, False),
        (0, 0.89, 1.0, False),
        (0, 1.0, 0.89, False),
    ],
)
def test_all_three_thresholds_must_be_reached(
    missed: int, choice: float, alive: float, passes: bool
) -> None:
    # four of five distances always right, and of 64 actions at one place `missed` wrong
    rows = {arrow: [1.0, 1.0, 1.0, 1.0, 0.0] for arrow in ARROWS}
    rows["↑"][2] -= missed / 64
    verdict = Verdict(rows, choice, alive)
    assert verdict.accuracy == pytest.approx(0.80 - missed / 64 / 40)
    assert verdict.passed is passes


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_asked_in_its_own_encoding(mode: str) -> None:
    # S4: all models were given the view of ground_truth.
    trainer = PPOTrainer(tiny({"training.mode": mode, "training.learning_rate": 0.01}), 0)
    trainer.run()
    policy = trainer.policy()
    table = directional_accuracy(policy, 2, generator(1))
    glow = mode in ("proxy", "proxy_jammed")
    for arrow, move in zip(ARROWS, ACTIONS, strict=True):
        for distance in (1, 2):
            x, y = move.dx * distance, move.dy * distance
            seen = torch.zeros(1, 6, 5, 5)
            seen[0, 0] = 1.0
            seen[0, 0, 2 + y, 2 + x] = 0.0
            seen[0, slice(2, 6) if glow else Cell.FOOD, 2 + y, 2 + x] = 1.0
            with torch.no_grad():
                probs = policy.model(seen)[0].softmax(-1)[0]
            correct = sum(
                float(p)
                for p, a in zip(probs, ACTIONS, strict=True)
                if max(abs(x - a.dx), abs(y - a.dy)) < distance
            )
            assert table[arrow][distance - 1] == pytest.approx(correct, abs=0.25)
    mean = sum(map(sum, table.values())) / 16
    assert mean == pytest.approx(float(expected_accuracy(policy)), abs=0.05)


def expected_accuracy(policy: LearnedPolicy) -> Tensor:
    """What sampling would score in the long run, from the probabilities."""
    shares = []
    for move in ACTIONS:
        for distance in (1, 2):
            x, y = move.dx * distance, move.dy * distance
            view = torch.zeros(1, 5, 5, dtype=torch.uint8)
            view[0, 2 + y, 2 + x] = Cell.FOOD
            good = [max(abs(x - a.dx), abs(y - a.dy)) < distance for a in ACTIONS]
            shares.append(policy.probabilities(view)[0][torch.tensor(good)].sum())
    return torch.stack(shares).mean()


def test_a_policy_with_another_view_is_refused() -> None:
    policy = PPOTrainer(tiny(), 0).policy()
    with pytest.raises(UserError, match="was trained with view_range 2, but these worlds have 3"):
        verify(policy, tiny({"agent.view_range": 3}), 0)


# --- The command ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", math.inf)  # nothing here takes long
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    write_config(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path


def untrained(folder: Path, *modes: str) -> None:
    for mode in modes:
        policy = PPOTrainer(tiny({"training.mode": mode}), 0).policy()
        save_model(model_path(folder / "models", mode), policy, 0, 0)


def verdicts(outcome: Outcome) -> dict[str, str]:
    """The last word of each model's row."""
    rows = [line.split() for line in outcome.out.splitlines()]
    return {row[0]: row[-1] for row in rows if row and row[0] in MODES}


def test_what_training_wrote_is_what_verification_reads(folder: Path) -> None:
    # S3, S4: the command failed at import, and looked for files that nobody wrote.
    assert run(train_ppo.main, "--mode", "all", "--sequential", "--updates", 1).status == 0
    outcome = run(command.main)
    assert outcome.status == 1
    assert outcome.err == ""
    reported = dict.fromkeys(("proxy", "proxy_jammed", "proxy_sighted"), "reported")
    assert verdicts(outcome) == {"ground_truth": "FAIL"} | reported
    assert outcome.out.endswith("Verdict: FAIL\n")
    assert (folder / "models").is_dir()


def test_other_modes_never_fail(folder: Path) -> None:
    untrained(folder, "proxy", "proxy_jammed", "proxy_sighted")
    outcome = run(command.main)
    assert outcome.status == 0
    assert set(verdicts(outcome).values()) == {"reported"}
    last = outcome.out.splitlines()[-1]
    assert last == "Verdict: nothing to judge, there is no ground_truth model"


class NamedTruth:
    """A scripted agent under the name of the mode that is judged."""

    name = "ground_truth"

    def __init__(self, script: str, worlds: Config) -> None:
        self._agent = ScriptedAgent(script, worlds)

    def act(self, views: Tensor, draw: torch.Generator) -> Tensor:
        return self._agent.act(views, draw)


@pytest.mark.parametrize(
    ("script", "status"), [("food_only", 0), ("eat_everything", 1), ("random", 1)]
)
def test_the_exit_status_is_the_verdict_on_ground_truth(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, status: int
) -> None:
    life = {"agent.energy_start": 50.0}
    write_config(folder, life)
    found: list[Any] = [NamedTruth(script, tiny(life))]
    monkeypatch.setattr(command, "find_models", lambda *_: found)
    outcome = run(command.main)
    assert outcome.status == status
    assert verdicts(outcome) == {"ground_truth": "FAIL" if status else "pass"}
    assert outcome.out.endswith("Verdict: FAIL\n" if status else "Verdict: pass\n")


def test_verbose_shows_every_direction_and_distance(folder: Path) -> None:
    untrained(folder, "proxy")
    short, long = run(command.main).out, run(command.main, "--verbose").out
    assert not any(arrow in short for arrow in ARROWS)
    lines = long.splitlines()
    (head,) = [line for line in lines if line.strip().startswith("distance")]
    assert head.split() == ["distance", "1", "2"]
    rows = [line.split() for line in lines if line.strip()[:1] in ARROWS and line.strip()]
    assert [row[0] for row in rows] == list(ARROWS)
    assert all(len(row) == 3 and row[1].endswith("%") for row in rows)


def test_steps_and_seed_reach_the_worlds(folder: Path) -> None:
    untrained(folder, "ground_truth")
    assert "alive after 1 steps 90%" in run(command.main, "--steps", 1).out
    row = [line for line in run(command.main, "--steps", 1).out.splitlines()
           if line.startswith("ground_truth")]  # fmt: skip
    assert row[0].split()[3] in ("100.0%", "75.0%")
    usual, again, other = (run(command.main, "--seed", seed).out for seed in (0, 0, 1))
    assert usual == again != other


def test_it_says_how_long_the_rest_will_take(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained(folder, "ground_truth", "proxy")
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.0)
    told = [line for line in run(command.main).out.splitlines() if "ETA" in line]
    assert len(told) == 2 * 30
    assert told[-1] == "step 60/60  ETA 0:00"


def test_the_gpu_has_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untrained(folder, "proxy")
    assert run(command.main).out.splitlines()[1].startswith("GPU: ")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command.gpu_status() == "GPU: none found, using the CPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"card {i}")
    assert command.gpu_status() == "GPU: card 0, card 1"
