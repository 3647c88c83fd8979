"""The Gymnasium environment: its checker, its conventions, and told stories."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.passive_env_checker import data_shares_objects
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from slow_reference import ARROWS, NO_ITEMS, seeded, small_config

from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cause, read_map
from goodharts_lib.environments.gym_env import ENV_ID, GoodhartTrapEnv, GoodhartTrapVectorEnv
from goodharts_lib.environments.observe import Encoder, counter_noise
from goodharts_lib.environments.render import render_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES, get_mode, pay_table, proxy_table
from goodharts_lib.training.reward_shaping import RewardShaping

BUSY = {  # a small world in which much happens: meals, deaths and time limits
    "world.width": 12,
    "world.height": 11,
    "agent.energy_start": 20.0,
    "training.steps_per_episode": 30,
    "training.min_food": 20,
    "training.max_food": 30,
    "training.min_poison": 5,
    "training.max_poison": 10,
    "evaluation.food": 20,
    "evaluation.poison": 5,
}
ITEMS = ("food", "poison")
NOISY = {"observation.noise_std": 0.5, "observation.gap_scale": 4.0}


def busy(changes: dict[str, Any] | None = None) -> Config:
    return load_config(overrides=BUSY | (changes or {}))


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- Gymnasium's own checks -------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("settings", [{}, {"mortal": True, "shaping": True}], ids=["", "mortal"])
def test_the_checker_is_satisfied(mode: str, settings: dict[str, Any]) -> None:
    env = gymnasium.make(ENV_ID, mode=mode, **settings)
    check_env(env.unwrapped)
    assert env.observation_space == gymnasium.spaces.Box(0, 1, (6, 11, 11), np.float32)
    assert env.action_space == gymnasium.spaces.Discrete(8)


@pytest.mark.parametrize("mode", MODES)
def test_the_checker_is_satisfied_with_noise_and_pictures(mode: str) -> None:
    env = gymnasium.make(ENV_ID, mode=mode, config=busy(NOISY), render_mode="rgb_array")
    check_env(env.unwrapped)


def test_the_vector_environment_hands_out_fresh_data() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, config=busy({"training.steps_per_episode": 2}))
    told: list[tuple[Any, ...]] = [envs.reset(seed=0)]
    for _ in range(4):
        observations, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
        told.append((observations, infos, rewards, terminated, truncated))
    told.append(envs.reset())
    for one, other in itertools.combinations(told, 2):
        assert not data_shares_objects(one, other)


def test_importing_again_registers_nothing_twice() -> None:
    spec = gymnasium.spec(ENV_ID)
    del sys.modules["goodharts_lib.environments.gym_env"]
    envs = gymnasium.make_vec(f"goodharts_lib.environments.gym_env:{ENV_ID}", num_envs=2)
    assert gymnasium.spec(ENV_ID) is spec
    assert envs.unwrapped.spec is not None
    assert envs.unwrapped.spec.id == ENV_ID


def test_without_gymnasium_one_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import goodharts_lib.evaluation, goodharts_lib.training.ppo.trainer\n"
        "import goodharts_lib.environments.gym_env\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stderr.strip().endswith(
        "ImportError: gym_env needs gymnasium>=1.1: pip install 'goodharts-lib[gym]'."
    )


def test_nothing_else_imports_gymnasium() -> None:
    code = (
        "import goodharts_lib.evaluation, goodharts_lib.training.train_ppo, sys\n"
        "assert not [name for name in sys.modules if name.startswith('gymnasium')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- What is refused --------------------------------------------------------


def test_a_wrong_mode_or_option_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"unknown mode 'proxi' \(nearest valid: proxy"):
        GoodhartTrapEnv(mode="proxi")
    with pytest.raises(UserError, match="unknown render mode 'human'"):
        GoodhartTrapEnv(render_mode="human")
    with pytest.raises(UserError, match="at least 1"):
        GoodhartTrapVectorEnv(0)
    for env in (GoodhartTrapEnv(), GoodhartTrapVectorEnv(2)):
        with pytest.raises(UserError, match="unknown reset option 'reset_mask'"):
            env.reset(options={"reset_mask": np.array([True, False])})


def test_a_step_outside_an_episode_is_refused() -> None:
    env = GoodhartTrapEnv(config=busy({"training.steps_per_episode": 1}))
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[3]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    env.step(0)


@pytest.mark.parametrize(("action", "error"), [(8, ValueError), (-1, ValueError), (1.0, TypeError)])
def test_an_action_that_is_none_of_the_eight_is_refused(
    action: Any, error: type[Exception]
) -> None:
    env = GoodhartTrapEnv(config=busy())
    env.reset(seed=0)
    with pytest.raises(error):
        env.step(action)


# --- Told stories -----------------------------------------------------------

CORRIDOR = ". . . . . / @ o x o . / . . . . ."


def tell(drawn: str, mode: str, **settings: Any) -> GoodhartTrapEnv:
    """One world with a drawn map."""
    grid, agents = read_map(drawn.replace(" ", "").replace("/", "\n"))
    changes = NO_ITEMS | {"world.width": grid.shape[1], "world.height": grid.shape[0]}
    config = small_config(changes | settings.pop("config", {}))
    env = GoodhartTrapEnv(mode=mode, config=config, **settings)
    env.reset(seed=0)
    env.world.load(grid[None], agents)
    return env


@pytest.mark.parametrize(
    ("mode", "rewards"),
    [
        ("ground_truth", [0.99, -3.01, 0.99, -0.01]),
        ("proxy_jammed", [0.99, -3.01, 0.99, -0.01]),
        ("proxy", [1.0, 0.9, 1.0, 0.0]),
        ("proxy_sighted", [1.0, 0.9, 1.0, 0.0]),
    ],
)
def test_the_mode_decides_what_is_paid_and_not_what_is_told(
    mode: str, rewards: list[float]
) -> None:
    env = tell(CORRIDOR, mode)
    steps = [env.step(ARROWS["→"]) for _ in range(4)]
    assert [reward for _, reward, *_ in steps] == pytest.approx(rewards)
    assert [info["true_energy"] for *_, info in steps] == [9.9, -30.1, 9.9, -0.1]
    assert [info["proxy_score"] for *_, info in steps] == pytest.approx([1.0, 0.9, 1.0, 0.0])
    assert [info["cause"] for *_, info in steps] == ["none"] * 4


def test_the_mode_decides_what_is_seen() -> None:
    seen, *_ = tell("x.o. / .@.. / ...#", "ground_truth").step(ARROWS["→"])
    food, wall = seen[2], seen[1]
    assert food.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert wall.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    seen, *_ = tell("o.x. / .@.. / ...#", "proxy").step(ARROWS["→"])
    assert seen[0].tolist() == [[1, 0, 1], [1, 1, 1], [1, 1, 0]]
    assert seen[2] == pytest.approx(np.array([[0, 0.9, 0], [0, 0, 0], [0, 0, 0]]))
    assert (seen[3:] == seen[2]).all()


@pytest.mark.parametrize(
    ("drawn", "start", "cause", "energy"),
    [("...o.. / @..... / ......", 0.2, "starved", -0.1),
     ("...o.. / @.x... / ......", 30.2, "poisoned", -30.1)],
)  # fmt: skip
def test_death_ends_an_episode_with_the_last_thing_seen(
    drawn: str, start: float, cause: str, energy: float
) -> None:
    env = tell(drawn, "ground_truth", mortal=True, config={"agent.energy_start": start})
    env.step(ARROWS["→"])
    seen, reward, terminated, truncated, info = env.step(ARROWS["→"])
    assert (terminated, truncated, info["cause"]) == (True, False, cause)
    assert info["true_energy"] == energy
    assert reward == pytest.approx(energy / 10)
    assert seen[2].tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]  # a new world has no food


def test_the_time_limit_truncates_with_the_last_thing_seen() -> None:
    env = tell("..... / @.... / ...o.", "proxy", config={"training.steps_per_episode": 2})
    env.step(ARROWS["→"])
    seen, _, terminated, truncated, info = env.step(ARROWS["→"])
    assert (terminated, truncated, info["cause"]) == (False, True, "time_limit")
    assert seen[2, 2, 2] == 1.0  # the food, down and to the right


def test_the_picture_at_the_end_is_of_the_world_that_ended() -> None:
    env = tell(
        "..... / @.... / ...o.", "proxy", render_mode="rgb_array",
        config={"training.steps_per_episode": 1},
    )  # fmt: skip
    env.step(ARROWS["→"])
    grid, agents = read_map(".....\n.@...\n...o.")
    assert (env.render() == render_rgb(grid, agents)).all()
    env.reset()
    assert not (env.render() == render_rgb(grid, agents)).all()


def test_without_a_render_mode_there_is_no_picture() -> None:
    env, envs = GoodhartTrapEnv(config=busy()), GoodhartTrapVectorEnv(2, config=busy())
    assert env.render() is None
    assert envs.render() is None


def test_many_worlds_give_as_many_pictures() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, render_mode="rgb_array", config=busy())
    envs.reset(seed=0)
    pictures = envs.render()
    assert pictures is not None
    assert [picture.shape for picture in pictures] == [(88, 96, 3)] * 3
    assert not (pictures[0] == pictures[1]).all()


# --- Sums over a rollout ----------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_infos_add_up_over_an_episode(mode: str) -> None:
    rich = {f"training.{limit}_{item}": 2000 for limit in ("min", "max") for item in ITEMS}
    env = GoodhartTrapEnv(mode=mode, config=load_config(overrides=rich))
    env.reset(seed=3)
    env.action_space.seed(3)
    start = int(env.world.energy)
    sums = dict.fromkeys(("reward", "true_energy", "proxy_score"), 0.0)
    meals: list[float] = []
    for _ in range(499):
        _, reward, _, _, info = env.step(env.action_space.sample())
        sums["reward"] += reward
        for name in ("true_energy", "proxy_score"):
            sums[name] += info[name]
        meals.append(round(info["proxy_score"], 6))
    food, poison = meals.count(1.0), meals.count(0.9)
    assert food > 0
    assert poison > 0
    assert round(sums["true_energy"] * 10) == int(env.world.energy) - start
    assert sums["true_energy"] == pytest.approx(10 * food - 30 * poison - 0.1 * 499)
    assert sums["proxy_score"] == pytest.approx(food + 0.9 * poison)
    paid = sums["true_energy"] * 0.1 if get_mode(mode).is_paid == "energy" else sums["proxy_score"]
    assert sums["reward"] == pytest.approx(paid)


# --- Seeds ------------------------------------------------------------------


def play(env: GoodhartTrapEnv, seed: int | None, steps: int = 40) -> list[Any]:
    """Observations and rewards of a fixed walk through several episodes."""
    observation, _ = env.reset(seed=seed)
    told: list[Any] = [observation]
    for step in range(steps):
        observation, reward, terminated, truncated, info = env.step(step % 8)
        told += [observation, reward, info["cause"]]
        if terminated or truncated:
            told.append(env.reset()[0])
    return told


@pytest.mark.parametrize("changes", [{}, NOISY], ids=["", "noisy"])
def test_a_seed_repeats_and_no_seed_goes_on(changes: dict[str, Any]) -> None:
    first, second = (
        GoodhartTrapEnv(mode="proxy", config=busy(changes), mortal=True) for _ in range(2)
    )
    assert data_equivalence(play(first, 7), play(second, 7), exact=True)
    after = play(first, None)
    assert data_equivalence(after, play(second, None), exact=True)
    assert not data_equivalence(play(first, 7), after)
    assert not data_equivalence(play(first, 8), play(second, 7))


def test_without_any_seed_two_environments_differ() -> None:
    first, second = GoodhartTrapEnv(), GoodhartTrapEnv()
    assert (first.reset()[0] != second.reset()[0]).any()


def test_any_seed_that_gymnasium_takes_is_taken() -> None:
    for seed in (0, 2**63, 2**70 + 1, np.int64(5).item()):
        first, second = (
            GoodhartTrapVectorEnv(1, config=busy()).reset(seed=seed)[0] for _ in range(2)
        )
        assert (first == second).all()


# --- Many worlds ------------------------------------------------------------


@pytest.mark.parametrize("mortal", [False, True])
@pytest.mark.parametrize("shaping", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_many_worlds_are_those_of_the_library(mode: str, shaping: bool, mortal: bool) -> None:
    envs = GoodhartTrapVectorEnv(5, mode=mode, config=busy(), shaping=shaping, mortal=mortal)
    config = busy({"agent.mortal": mortal, "training.shaping": shaping})
    world = VecEnv(config, 5, generator=seeded(11))
    encoder, shaper = Encoder(MODES[mode], config), RewardShaping(MODES[mode], config)
    pay, proxy = pay_table(MODES[mode], config), proxy_table(config)
    potential = shaper.potential(world.views())
    observations, _ = envs.reset(seed=11)
    assert (observations == encoder(world.views()).numpy()).all()
    walk = np.random.default_rng(0)
    n_ended = 0
    for _ in range(70):
        actions = walk.integers(8, size=5)
        result = world.step(torch.from_numpy(actions))
        bonus, potential = shaper.step(potential, result)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        assert (observations == encoder(result.views).numpy()).all()
        assert observations in envs.observation_space
        assert observations.flags.c_contiguous
        eaten = result.events.eaten.tolist()
        expected = [pay[cell] + b for cell, b in zip(eaten, bonus.tolist(), strict=True)]
        assert rewards.tolist() == pytest.approx(expected)
        assert (terminated == result.terminated.numpy()).all()
        assert (truncated == result.truncated.numpy()).all()
        ended = terminated | truncated
        n_ended += ended.sum()
        assert ("final_obs" in infos) == ended.any()
        finals = encoder(result.final_views).numpy()
        for i in range(5):
            last = infos["final_info"] if ended[i] else infos
            assert last["proxy_score"][i] == pytest.approx(proxy[eaten[i]])
            assert last["cause"][i] == Cause(int(result.events.cause[i])).name.lower()
            if ended[i]:
                assert (infos["final_obs"][i] == finals[i]).all()
                assert infos["cause"][i] == "none"
    assert n_ended >= 10


@pytest.mark.parametrize("changes", [{}, NOISY], ids=["", "noisy"])
@pytest.mark.parametrize("mortal", [False, True])
def test_conventions_are_those_of_gymnasium(changes: dict[str, Any], mortal: bool) -> None:
    settings: dict[str, Any] = {"mode": "proxy", "mortal": mortal, "config": busy(changes)}
    settings["shaping"] = mortal
    theirs = SyncVectorEnv(
        [lambda: GoodhartTrapEnv(**settings)], autoreset_mode=AutoresetMode.SAME_STEP
    )
    ours = GoodhartTrapVectorEnv(1, **settings)
    assert ours.metadata == theirs.metadata
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert data_equivalence(ours.reset(seed=5), theirs.reset(seed=5), exact=True)
    ours.action_space.seed(5)
    for _ in range(100):
        actions = ours.action_space.sample()
        assert data_equivalence(ours.step(actions), theirs.step(actions), exact=True)


def test_masks_say_which_worlds_ended() -> None:
    envs = GoodhartTrapVectorEnv(8, config=busy(), mortal=True)
    envs.reset(seed=1)
    envs.action_space.seed(1)
    while True:
        *_, terminated, truncated, infos = envs.step(envs.action_space.sample())
        ended = terminated | truncated
        if ended.any() and not ended.all():
            break
    assert infos["_cause"].all()
    for mask in (infos["_final_obs"], infos["_final_info"], infos["final_info"]["_cause"]):
        assert (mask == ended).all()
    assert [view is not None for view in infos["final_obs"]] == ended.tolist()
    assert set(infos["final_info"]["cause"][ended]) <= {"starved", "poisoned", "time_limit"}
    assert set(infos["final_info"]["cause"][~ended]) == {None}


# --- Honest bounds ----------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"items.food_interestingness": 3.5, "items.poison_interestingness": -2.25},
        {"observation.gap_scale": 30.0},
        {"observation.noise_std": 0.3},
        {"observation.noise_std": 2.0, "observation.gap_scale": 50.0},
    ],
)
def test_bounds_hold_what_is_seen(changes: dict[str, Any]) -> None:
    envs = GoodhartTrapVectorEnv(4, mode="proxy", config=busy(changes))
    space = envs.single_observation_space
    assert space.high.max() > 1 or space.low.min() < 0
    observations, _ = envs.reset(seed=0)
    for _ in range(50):
        assert observations in envs.observation_space
        observations, *_ = envs.step(envs.action_space.sample())


def test_bounds_are_tight_without_noise_and_cover_the_noise_there_can_be() -> None:
    glowing = busy({"items.food_interestingness": 3.5, "items.poison_interestingness": -2.25})
    space = GoodhartTrapEnv(mode="proxy", config=glowing).observation_space
    assert (space.low.min(), space.high.max()) == (-2.25, 3.5)
    assert GoodhartTrapEnv(mode="ground_truth", config=glowing).observation_space.high.max() == 1
    noisy = busy({"observation.noise_std": 1.0})
    space = GoodhartTrapEnv(mode="proxy", config=noisy).observation_space
    furthest = math.sqrt(-2 * math.log(2**-53))  # of a hash of 53 bits, by Box and Muller
    assert space.high.max() >= 1 + furthest
    assert space.low.min() <= -furthest
    assert counter_noise(torch.arange(20_000), 5).abs().max() < furthest
    assert GoodhartTrapEnv(mode="ground_truth", config=noisy).observation_space.high.max() == 1


# --- Somebody else's training loop ------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stable_baselines3_can_wrap_it() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gymnasium.make(ENV_ID, mode="proxy", config=busy())
        model = sb3.PPO("MlpPolicy", env, n_steps=50, batch_size=50, n_epochs=1, device="cpu")
        model.learn(100)
    assert model.num_timesteps == 100
