"""The cloning table: units are done once and stored, and its sentences say what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from training.test_cloning import CLONE
from training.tiny import TINY, run, tiny

from benchmarks import cloning as bench
from benchmarks import units
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate


@pytest.fixture(autouse=True)
def _one_thread_again() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# --- The runner -------------------------------------------------------------


class Here:
    """A pool that works in this process."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap_unordered(self, work: Callable[[Any], Any], todo: Iterable[Any]) -> Iterator[Any]:
        return map(work, reversed(list(todo)))


@pytest.fixture
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    context = type("Context", (), {"Pool": Here})
    monkeypatch.setattr(units.multiprocessing, "get_context", lambda _: context)


def work(unit: dict[str, Any]) -> units.Unit:
    return unit | {"metrics": {"answer": 42}}


@pytest.mark.usefixtures("_in_this_process")
def test_only_missing_units_are_done_and_each_is_stored_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "results.json"
    found: list[int] = []

    def watched(unit: dict[str, Any]) -> units.Unit:
        found.append(len(json.loads(path.read_text())["units"]) if path.exists() else 0)
        return work(unit)

    wanted = [{"condition": c, "seed": seed} for seed in (0, 1) for c in "ab"]
    for todo, before in ((wanted[:2], [0, 1]), (wanted, [2, 3]), (wanted, [])):
        found.clear()
        units.run_missing(watched, todo, units.load(path, {"n": 1}), path, lambda _: "done")
        assert found == before
    stored = units.load(path, {"n": 1})
    order = [(unit["condition"], unit["seed"]) for unit in stored["units"]]
    assert order == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert stored["units"][0]["metrics"] == {"answer": 42}
    assert stored["manifest"].keys() == {"version", "platform", "torch", "threads"}
    assert "0 runs to do, 4 done, into results.json" in capsys.readouterr().out
    with pytest.raises(UserError, match="results of another definition; remove it or rename"):
        units.load(path, {"n": 2})


# --- A unit -----------------------------------------------------------------


@pytest.mark.parametrize("condition", ["food_only_1k_dagger", "proxy_seeker"])
def test_a_unit_measures_the_clone_and_its_own_expert(
    condition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = TINY | CLONE | {"cloning.samples": 60}
    overrides = {k: v for k, v in bench.CONDITIONS[condition].items() if k not in fast}
    monkeypatch.setattr(bench, "BASE", fast)
    monkeypatch.setitem(bench.CONDITIONS, condition, overrides)
    unit = bench.run_unit({"condition": condition, "seed": 2})
    name = overrides["cloning.expert"]
    alone = evaluate(ScriptedAgent(name, tiny()), tiny(), EVALUATION_SEED)
    assert (unit["condition"], unit["seed"]) == (condition, 2)
    metrics = json.loads(json.dumps(unit))["metrics"]
    assert metrics["expert"]["true_energy"] == alone.true_energy
    assert metrics["sampled"].keys() == metrics["greedy"].keys()
    assert metrics["sampled"] != metrics["greedy"]
    assert {len(curve) for curve in unit["curves"].values()} == {metrics["last_epoch"]["epoch"]}
    assert f"accuracy {metrics['last_epoch']['accuracy']:.3f}" in bench.describe(unit)


# --- What is told -----------------------------------------------------------


def stored_unit(condition: str, seed: int, sampled: float, greedy: float) -> units.Unit:
    """A unit with made-up numbers."""
    seen = {"accuracy": 0.25, "ceiling": 0.5}
    visited = {"imitation": seen, "shift": 0.1, "pacing": 0.75}
    expert = {"true_energy": 340.0, "poison": 0.0, "poison_adjacent": 0.04, "pacing": 0.1}
    exam = seen | {"accuracy_food_in_view": 0.5, "ceiling_food_in_view": 0.75, "cross_entropy": 1.5}
    metrics = {
        "last_epoch": exam,
        "expert": expert,
        "sampled": {"true_energy": sampled, "poison": 2.0, "visited": visited},
        "greedy": {"true_energy": greedy, "poison": 1.0, "visited": visited},
        "seconds": 1.0,
    }
    curves = {
        "accuracy": [0.1, 0.2, 0.3],
        "true_energy_sampled": [1.0, 2.0, 3.0 - 9 * seed],  # rises with seed 0 only
        "true_energy_greedy": [5.0, 0.0, -5.0],
    }
    return {"condition": condition, "seed": seed, "metrics": metrics, "curves": curves}


STORED: units.Stored = {
    "units": [
        stored_unit("plain", 0, 300.0, -50.0),
        stored_unit("plain", 1, 200.0, -30.0),
        stored_unit("dagger", 0, 310.0, -60.0),
        stored_unit("dagger", 1, 220.0, -20.0),
        stored_unit("dagger", 2, 999.0, 999.0),  # without a partner
    ]
}


def test_a_gain_is_the_mean_of_differences_between_equal_seeds() -> None:
    found = bench.gain(STORED, ("dagger", "sampled"), ("plain", "sampled"))
    assert found.startswith("+15 [-49, 79] (95 % t, n = 2)")
    assert bench.gain(STORED, ("plain", "sampled"), ("plain", "greedy")).startswith("+290 ")


def test_the_table_has_means_over_seeds() -> None:
    lines = bench.table(STORED).splitlines()
    assert len(lines) == 4  # head, rule, plain, dagger
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:3] == ["`plain`", "2", "0.250"]
    assert cells[7] == "340"
    assert cells[8].startswith("250 [")
    assert cells[9].startswith("-40 [")


def test_the_course_counts_seeds_where_accuracy_rises_while_energy_falls() -> None:
    sampled, greedy = bench.course(STORED, "plain").splitlines()
    assert "falls on 1 of 2 seeds; it ends below 0 on 1; " in sampled
    assert sampled.endswith("+1.00, -0.50.")
    assert "falls on 2 of 2 seeds; it ends below 0 on 2; " in greedy
    assert greedy.endswith("-1.00, -1.00.")


def test_the_evidence_has_a_sentence_for_each_reason() -> None:
    told = bench.evidence(STORED, "plain").splitlines()
    assert "in 4.0% of the expert's states. It eats 0.0 per 1,000 steps, its clones 2.0" in told[0]
    assert "misses its ceiling by 0.250 on the expert's states, 0.250 and 0.250" in told[1]
    assert told[2].endswith("the expert itself makes +340.")
    assert "10% of the expert's steps take back the last, 75% of sampled and 75%" in told[3]


def test_every_condition_makes_a_configuration() -> None:
    for condition, overrides in bench.CONDITIONS.items():
        config = load_config(overrides=bench.BASE | overrides)
        assert config != load_config(overrides=bench.BASE) or condition == "plain"
    for _, *conditions in bench.INTERVENTIONS:
        assert set(conditions) <= set(bench.CONDITIONS)


def test_a_wrong_condition_or_too_few_results_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PATH", tmp_path / "cloning.json")
    outcome = run(bench.main, "--table")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "does not hold two seeds of each of plain, food_only" in outcome.err
    outcome = run(bench.main, "--conditions", "plian")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert "invalid choice: 'plian'" in outcome.err


# --- What is stored ---------------------------------------------------------


@pytest.fixture(scope="module")
def stored() -> units.Stored:
    return units.load(bench.PATH, bench.definition())


def energies(stored: units.Stored, condition: str, decoding: str) -> list[float]:
    return bench.column(stored, condition, decoding, "true_energy")


def test_five_training_seeds_stand_behind_every_condition(stored: units.Stored) -> None:
    for condition in {unit["condition"] for unit in stored["units"]} | set(bench.TOLD):
        seeds = {u["seed"] for u in stored["units"] if u["condition"] == condition}
        assert seeds >= set(range(5)), condition


def test_a_faithful_copy_starves_only_where_it_is_greedy(stored: units.Stored) -> None:
    accuracy, ceiling = (bench.column(stored, "plain", "last_epoch", key)
                         for key in ("accuracy", "ceiling"))  # fmt: skip
    assert min(a / c for a, c in zip(accuracy, ceiling, strict=True)) > 0.95
    assert max(energies(stored, "plain", "greedy")) < 0 < min(energies(stored, "plain", "sampled"))
    paces = bench.column(stored, "plain", "greedy", "visited", "pacing")
    assert min(paces) > 2 * max(bench.column(stored, "plain", "sampled", "visited", "pacing"))


def test_a_better_expert_makes_a_better_clone(stored: units.Stored) -> None:
    best = max(energies(stored, "plain", "sampled"))
    assert min(energies(stored, "food_only", "sampled")) > best
    assert min(energies(stored, "food_only", "greedy")) > best
