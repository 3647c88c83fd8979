"""The book's experiments: complete grids, fresh seeds, enough of them."""

from __future__ import annotations

import json

import pytest

from goodharts_lib.config import load_config
from goodharts_lib.experiments.catalog import EXPERIMENTS
from goodharts_lib.experiments.results import metric
from goodharts_lib.modes import MODES

PILOTS = {*range(5), *range(100, 105)}
FEWER = {  # conditions that no claim about means rests on
    "replication": {f"{who} {mode}": 3 for who in ("ours", "sb3") for mode in MODES},
    "gap": {f"gap {gap:g} seen as {10 * gap:g}": 2 for gap in (0.01, 0.02)},
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_well_defined(name: str) -> None:
    experiment = EXPERIMENTS[name]
    names = [condition.name for condition in experiment.conditions]
    assert len(names) == len(set(names))
    assert experiment.question.endswith("?")
    for condition in experiment.conditions:
        assert len(set(condition.seeds)) >= FEWER.get(name, {}).get(condition.name, 5)
        assert not set(condition.seeds) & PILOTS
        load_config(overrides=condition.settings["overrides"])
    assert experiment.cut in ("", experiment.cut.strip())
    assert experiment.cut[-1:] in ("", ".")
    definition = experiment.definition()
    assert json.loads(json.dumps(definition)) == definition


def test_the_headline_has_ten_seeds_of_every_mode() -> None:
    conditions = {c.name: len(c.seeds) for c in EXPERIMENTS["two_by_two"].conditions}
    assert {conditions[mode] for mode in MODES} == {10}
    assert conditions["random"] == 10


def test_an_agent_is_judged_when_it_is_trained_to_the_end() -> None:
    for experiment in EXPERIMENTS.values():
        for condition in experiment.conditions:
            judged = condition.settings.get("judge")
            if judged not in (None, ["end"]) and "scripted" not in condition.settings:
                assert condition.settings["overrides"]["training.timesteps"] == max(judged)


def test_the_phase_diagram_keeps_the_number_of_items() -> None:
    for condition in EXPERIMENTS["phase"].conditions:
        changed = condition.settings["overrides"]
        assert changed["training.min_food"] + changed["training.min_poison"] == 125 + 60
        assert changed["training.max_food"] == changed["training.min_food"]
        assert changed["evaluation.poison"] == changed["training.min_poison"]


def test_every_unit_is_judged_when_the_primary_metric_asks() -> None:
    for experiment in EXPERIMENTS.values():
        if not experiment.primary.startswith("at."):
            continue
        moment = experiment.primary.split(".")[1]
        for condition in experiment.conditions:
            asked = [str(step) for step in condition.settings.get("judge", ["end"])]
            assert moment in (*asked, "last"), (experiment.name, condition.name)


def test_the_last_judgement_is_the_latest_and_the_end_is_later_than_any_step() -> None:
    at = {"300000": {"x": 1}, "1000000": {"x": 2}, "50000": {"x": 3}}
    assert metric({"metrics": {"at": at}}, "at.last.x") == 2
    assert metric({"metrics": {"at": at | {"end": {"x": 4}}}}, "at.last.x") == 4
