"""Cloning as an experiment: fair comparisons, a unit that measures, a story with known numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training.test_cloning import CLONE
from training.tiny import TINY, tiny

from goodharts_lib import stats
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config, load_config
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.experiments import catalog, cloning, cloning_story, results
from goodharts_lib.experiments.analysis import TooFewError
from goodharts_lib.experiments.catalog import EXPERIMENTS
from goodharts_lib.experiments.cloning_story import Course
from goodharts_lib.experiments.judging import judge
from goodharts_lib.experiments.measures import agent_unit
from goodharts_lib.training.cloning import visit
from goodharts_lib.training.train import Cloner, clone

EXPERIMENT = EXPERIMENTS["cloning"]
NAMES = [condition.name for condition in EXPERIMENT.conditions]
CLONES = [name for name in NAMES if not name.endswith("itself")]


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# --- The grid ---------------------------------------------------------------


def config_of(name: str) -> Config:
    return load_config(overrides=EXPERIMENT.condition(name).settings["overrides"])


def adam_steps(name: str) -> int:
    """Steps of Adam of a clone: every round passes over all samples so far."""
    told = config_of(name).cloning
    parts = told.dagger_rounds + 1
    sizes = [told.synthetic + told.samples * (part + 1) // parts for part in range(parts)]
    return sum(told.epochs * math.ceil(size / told.batch_size) for size in sizes)


def test_steps_are_counted_as_a_clone_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[None] = []
    step = torch.optim.Adam.step

    def counted(self: torch.optim.Adam, *args: Any) -> Any:
        taken.append(None)
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", counted)
    overrides = {"cloning.samples": 50, "cloning.synthetic": 7, "cloning.dagger_rounds": 2,
                 "cloning.epochs": 3, "cloning.batch_size": 8}  # fmt: skip
    Cloner(tiny(CLONE | overrides), 0).run()
    # 7 made up, and 16, 33 and 50 samples in batches of 8
    assert len(taken) == 3 * (3 + 5 + 8)


def test_the_predictions_find_their_conditions() -> None:
    wanted = {"food_only 10000", "food_only 10000 DAgger", "food_only itself",
              "omniscient_seeker itself"}  # fmt: skip
    assert wanted <= set(NAMES)
    assert EXPERIMENT.primary == "at.end.immortal.true_energy"
    assert {condition.seeds for condition in EXPERIMENT.conditions} == {tuple(range(200, 205))}


def test_a_name_says_whom_from_how_much_and_what_else() -> None:
    knobs = {"DAgger": "dagger_rounds", "synthetic": "synthetic", "reward_weight": "reward_weight",
             "visibility_weight": "visibility_weight"}  # fmt: skip
    usual = load_config().cloning
    for name in CLONES:
        expert, samples, *words = name.split()
        told = config_of(name).cloning
        assert EXPERIMENT.condition(name).settings["expert"] == expert
        assert told.samples == int(samples)
        changed = {
            word for word, knob in knobs.items() if getattr(told, knob) != getattr(usual, knob)
        }
        assert changed == set(words) - {"longer"}
        assert (config_of(name).training.mode == "proxy") == (expert == "proxy_seeker")
        assert config_of(name).training.network == "small_cnn"
    assert {name.removesuffix(" itself") for name in set(NAMES) - set(CLONES)} == {
        name.split()[0] for name in CLONES
    }


def test_clones_of_all_sizes_take_the_same_steps_in_the_same_passes() -> None:
    for word, steps in (("", 480), ("DAgger", 2208), ("longer", 2198)):
        alike = [name for name in CLONES if name.split()[2:] == word.split()]
        assert len({config_of(name).cloning.epochs for name in alike}) == 1
        assert len(alike) >= 3
        for name in alike:
            assert adam_steps(name) == pytest.approx(steps, rel=0.07), name
    assert adam_steps("food_only 10000") == 480
    assert adam_steps("food_only 10000 DAgger") == 2208


def test_an_intervention_changes_the_reason_and_not_the_number_of_steps() -> None:
    for _, base, mended in cloning_story.INTERVENTIONS:
        assert adam_steps(base) == pytest.approx(adam_steps(mended), rel=0.01), mended
        assert config_of(base).cloning.samples == config_of(mended).cloning.samples


# --- A unit -----------------------------------------------------------------


def small(name: str) -> dict[str, Any]:
    """A condition's settings in a tiny world, with few samples."""
    settings = EXPERIMENT.condition(name).settings
    fast = TINY | CLONE | {"cloning.samples": 60}
    kept = {key: value for key, value in settings["overrides"].items() if key not in fast}
    return {**settings, "overrides": fast | kept}


@pytest.mark.parametrize("name", ["food_only 1000 DAgger", "proxy_seeker 10000"])
def test_a_unit_measures_the_clone_and_its_own_expert(name: str, tmp_path: Path) -> None:
    settings = small(name)
    unit = agent_unit(settings, 3, tmp_path)
    assert json.loads(json.dumps(unit)) == unit
    assert agent_unit(settings, 3, tmp_path) == unit
    assert agent_unit(settings, 4, tmp_path) != unit
    metrics, expert, config = unit["metrics"], settings["expert"], tiny(settings["overrides"])
    again = clone(config, expert, 3)
    assert metrics["at"]["end"] == judge(again.policy, thorough=True)
    alone = evaluate(ScriptedAgent(expert, config), config, EVALUATION_SEED, immortal=True)
    assert metrics["expert"].items() >= vars(alone).items()
    assert 0 < metrics["expert"]["poison_adjacent"] < 1
    assert metrics["last_epoch"] == vars(again.history[-1])
    assert unit["curves"].keys() == set(cloning.CURVES)
    for key, curve in unit["curves"].items():
        assert curve == pytest.approx([getattr(record, key) for record in again.history], abs=1e-4)


def test_a_unit_follows_the_clone_as_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = []

    def watched(policy: Any, expert: Any, usual: Any, *args: Any) -> Any:
        followed.append((policy.greedy, expert.name, len(usual)))
        return visit(policy, expert, usual, *args)

    monkeypatch.setattr(cloning, "visit", watched)
    visited = agent_unit(small("food_only 10000"), 3, tmp_path)["metrics"]["visited"]
    assert followed == [(False, "food_only", 60), (True, "food_only", 60)]
    assert list(visited) == ["sampled", "greedy"]
    assert visited["sampled"] != visited["greedy"]
    assert set(visited["greedy"]) == {"imitation", "shift", "poison_adjacent", "pacing"}


def test_a_curve_keeps_whole_numbers_and_what_is_missing() -> None:
    settings = small("food_only 10000")
    record = clone(tiny(settings["overrides"]), "food_only", 3).history[-1]
    changed = replace(record, samples=16_667, accuracy_food_in_view=None, loss=0.123456)
    found = cloning.curves((changed,))
    assert (found["samples"], found["accuracy_food_in_view"]) == ([16_667], [None])
    assert found["loss"] == [0.1235]


# --- The story --------------------------------------------------------------

SHAKES = (-20.0, -10.0, 0.0, 10.0, 20.0)  # of energies, seed by seed: 15.8 is their deviation


def imitated(accuracy: float, ceiling: float) -> dict[str, float]:
    return {"accuracy": accuracy, "ceiling": ceiling, "accuracy_food_in_view": accuracy + 0.25,
            "ceiling_food_in_view": ceiling + 0.25, "cross_entropy": 1.5}  # fmt: skip


def made_up(condition: str, seed: int, energy: tuple[float, float, float]) -> dict[str, Any]:
    """A unit with made-up numbers; `energy` is that of immortal, mortal and greedy lives."""
    shake = SHAKES[seed]
    lives = zip(("immortal", "mortal", "greedy"), energy, (3.0, 2.0, 1.0), strict=True)
    at = {
        life: {"true_energy": level + shake, "poison": poison + shake / 100}
        for life, level, poison in lives
    }
    # A seed moves its clone alike, sampled and greedy: the pair differs by a constant.
    metrics = {
        "at": {"end": at},
        "last_epoch": imitated(0.25 + seed / 100, 0.5 + seed / 100),
        "expert": {"true_energy": 340.0, "poison": 0.0, "poison_adjacent": 0.04 + shake / 1e4,
                   "pacing": 0.1},
        "visited": {
            "sampled": {"imitation": imitated(0.2, 0.5), "shift": 0.1, "pacing": 0.15},
            "greedy": {"imitation": imitated(0.1, 0.5), "shift": 0.3, "pacing": 0.75},
        },
    }  # fmt: skip
    curves = {
        "accuracy": [0.1, 0.2, 0.3],
        "true_energy_sampled": [1.0, 2.0, 3.0 - 9 * seed],  # rises with seed 0 only
        "true_energy_greedy": [5.0, 5.0, 5.0] if seed == 0 else [5.0, 0.0, -5.0],
    }
    return {"condition": condition, "seed": seed, "metrics": metrics, "curves": curves}


ENERGIES = {
    "omniscient_seeker 10000": (250.0, 240.0, -36.0),
    "omniscient_seeker 10000 synthetic": (251.0, 240.0, -36.0),
    "omniscient_seeker 10000 longer": (260.0, 250.0, -40.0),
    "omniscient_seeker 10000 DAgger": (310.0, 280.0, -10.0),
    "food_only 10000": (1600.0, 1580.0, 1500.0),
    "food_only 10000 longer": (1650.0, 1640.0, 1620.0),
    "food_only 10000 DAgger": (1660.0, 1655.0, 1650.0),
    "food_only 1000": (1200.0, 1100.0, 300.0),
    "food_only 1000 synthetic": (1150.0, 1100.0, 300.0),
    "food_only 1000 longer": (1300.0, 1200.0, 500.0),
    "food_only 1000 DAgger": (1500.0, 1400.0, 1450.0),
}


def itself(expert: str, seed: int, energy: float) -> dict[str, Any]:
    scores = {"true_energy": energy, "poison": 0.0}
    metrics = {"at": {"end": {"immortal": scores, "mortal": scores}}}
    return {"condition": f"{expert} itself", "seed": seed, "metrics": metrics}


STORED: dict[str, Any] = {
    "units": [made_up(name, seed, energy) for seed in (4, 2, 0, 1, 3)
              for name, energy in ENERGIES.items()]
    + [itself("food_only", seed, 1759.0 + SHAKES[seed]) for seed in range(5)]
}  # fmt: skip


def test_each_effect_is_the_change_of_true_energy_with_welch_s_interval() -> None:
    effects = {(e.base, e.mended): e for e in cloning_story.interventions(STORED)}
    assert set(effects) == {tuple(row[1:]) for row in cloning_story.INTERVENTIONS}
    assert {e.reason for e in effects.values()} == {
        "no negative examples", "distribution shift", "copying is not surviving"
    }  # fmt: skip
    found = effects["omniscient_seeker 10000 longer", "omniscient_seeker 10000 DAgger"]
    changes = [found.immortal, found.mortal, found.greedy]
    assert [i.estimate for i in changes] == pytest.approx([50.0, 30.0, 30.0])
    assert {i.method for i in changes} == {"Welch t"}
    # equal variances of 250 and five seeds each: 10 = sqrt(250 / 5 + 250 / 5), 8 degrees of freedom
    assert found.immortal.high - 50 == pytest.approx(2.306004 * 10, rel=1e-6)
    found = effects["omniscient_seeker 10000", "food_only 10000"]
    assert found.immortal.estimate == pytest.approx(1350.0)


def test_the_evidence_for_each_reason_has_the_numbers_of_the_units() -> None:
    poison, shift, copied, greedy = cloning_story.evidence(STORED, "omniscient_seeker 10000")
    assert [i.estimate for i in poison] == pytest.approx([0.04, 0.0, 3.0, 1.0])
    assert [i.estimate for i in shift] == pytest.approx([0.1, 0.3, 0.25, 0.3, 0.4])
    assert copied.expert == pytest.approx(340.0)  # one number: it has no training seed
    assert [i.estimate for i in copied[1:]] == pytest.approx([250.0, 90.0])
    assert [i.estimate for i in greedy] == pytest.approx([0.1, 0.15, 0.75, 276.0])
    expected = stats.t_interval([0.038, 0.039, 0.04, 0.041, 0.042])
    assert poison.poison_adjacent[:3] == pytest.approx(expected[:3])


def test_two_numbers_of_one_clone_are_a_pair() -> None:
    found = cloning_story.evidence(STORED, "food_only 1000").greedy_decoding.sampling_instead
    assert found.estimate == pytest.approx(800.0)
    assert found.method == "paired t, correlation 1.00"
    assert found.high - found.low < 1e-9  # though both differ between seeds
    kept = cloning_story.evidence(STORED, "food_only 1000").copying_is_not_surviving
    assert kept.shortfall.method == "t"  # its expert's number is one and the same
    assert kept.shortfall.high - kept.shortfall.low == pytest.approx(
        kept.clone.high - kept.clone.low
    )


def test_accuracy_stands_beside_its_ceiling() -> None:
    found = cloning_story.accuracy(STORED, "food_only 10000")
    means = [0.27, 0.52, 0.25, 0.52, 0.77]
    assert [i.estimate for i in found] == pytest.approx(means)
    assert found.gap.high - found.gap.low < 1e-9 < found.accuracy.high - found.accuracy.low
    visited = cloning_story.accuracy(STORED, "food_only 10000", "visited.greedy.imitation")
    assert [i.estimate for i in visited[:3]] == pytest.approx([0.1, 0.5, 0.4])


def test_a_course_tells_whether_energy_falls_while_accuracy_rises() -> None:
    sampled = cloning_story.courses(STORED, "food_only 10000", "sampled")
    assert sampled[0] == Course(0, 1.0, 3, 0.0, 0.0, 3.0)
    assert sampled[1] == pytest.approx(Course(1, -0.5, 2, 0.1, -8.0, -6.0))
    assert [course.parted for course in sampled] == [False, True, True, True, True]
    greedy = cloning_story.courses(STORED, "food_only 10000", "greedy")
    assert greedy[0] == pytest.approx((0, None, 1, 0.2, 0.0, 5.0))
    assert greedy[4] == pytest.approx(Course(4, -1.0, 1, 0.2, -10.0, -5.0))
    assert [course.parted for course in greedy] == [False, True, True, True, True]


def test_what_rises_or_falls_together_has_not_parted() -> None:
    changes = {(0.1, -8.0): True, (-0.1, -8.0): False, (0.1, 0.0): False, (0.0, -8.0): False}
    for (accuracy, energy), parted in changes.items():
        assert Course(0, None, 1, accuracy, energy, 0.0).parted is parted


def test_the_table_has_means_over_seeds_and_experts_beside_their_clones() -> None:
    lonely = made_up("proxy_seeker 10000", 0, (0.0, 0.0, 0.0))
    lines = cloning_story.table({"units": [*STORED["units"], lonely]}).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in rows} == {len(cloning_story.COLUMNS) + 2}
    shown = [row[0] for row in rows[2:]]
    assert shown == [name for name in NAMES if name in ENERGIES or name == "food_only itself"]
    cells = dict(zip(range(13), rows[2 + shown.index("food_only 10000")], strict=True))
    assert (cells[1], cells[2]) == ("5", "0.270 [0.250, 0.290]")
    assert cells[7] == "1,600 [1,580, 1,620]"
    assert cells[9].startswith("1,580 [")
    assert cells[10].startswith("1,500 [")
    assert (cells[11], cells[12]) == ("0.15", "0.75")
    expert = rows[2 + shown.index("food_only itself")]
    assert expert[2] == expert[10] == "–"
    assert expert[7] == "1,759 [1,739, 1,779]"


@pytest.mark.parametrize("tell", [cloning_story.evidence, cloning_story.accuracy])
def test_four_seeds_are_too_few_for_a_claim(tell: Callable[..., Any]) -> None:
    few = {"units": [unit for unit in STORED["units"] if unit["seed"] < 4]}
    with pytest.raises(TooFewError, match="4 seeds of food_only 10000"):
        tell(few, "food_only 10000")


def test_a_course_of_what_is_not_stored_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"unknown condition 'food_onyl 10000' \(nearest valid: "):
        cloning_story.courses(STORED, "food_onyl 10000", "sampled")


# --- What is stored ---------------------------------------------------------


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return catalog.load_results("cloning")


@pytest.fixture(scope="module")
def finished(stored: dict[str, Any]) -> dict[str, Any]:
    if len(stored["units"]) < len(EXPERIMENT.units()):
        pytest.skip("the experiment is not finished yet")
    return stored


def test_five_training_seeds_stand_behind_every_condition(finished: dict[str, Any]) -> None:
    for name in NAMES:
        assert len(results.values(finished, name, EXPERIMENT.primary)) >= 5, name


def test_a_faithful_copy_starves_only_where_it_is_greedy(stored: dict[str, Any]) -> None:
    name = "omniscient_seeker 10000"
    found, told = cloning_story.accuracy(stored, name), cloning_story.evidence(stored, name)
    assert found.accuracy.estimate / found.ceiling.estimate > 0.95
    assert cloning_story.mean(stored, name, "at.end.greedy.true_energy").high < 0
    assert cloning_story.mean(stored, name, "at.end.mortal.true_energy").low > 0
    pacing = told.greedy_decoding
    assert pacing.greedy_pacing.low > 2 * pacing.sampled_pacing.high


def test_a_better_expert_makes_a_better_clone(finished: dict[str, Any]) -> None:
    better = cloning_story.interventions(finished)[-1]
    assert better.reason == "copying is not surviving"
    assert min(better.immortal.low, better.mortal.low, better.greedy.low) > 0
