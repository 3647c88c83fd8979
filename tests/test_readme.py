"""The README says what the stored results say, and its files and commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import headline
from goodharts_lib import stats

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((headline.RESULTS / "headline.json").read_text(encoding="utf-8"))


def sampled(stored: dict, mode: str, key: str) -> list[float]:
    units = [unit for unit in stored["units"] if unit["condition"] == mode]
    return [unit["metrics"]["sampled"][key] for unit in units]


def test_the_table_is_the_one_of_the_stored_results(stored: dict) -> None:
    assert headline.table(stored) in README


def test_five_training_seeds_stand_behind_every_mode(stored: dict) -> None:
    seeds = {(unit["condition"], unit["seed"]) for unit in stored["units"]}
    assert seeds == {(mode, seed) for mode in headline.MODES for seed in range(5)}


def test_ground_truth_thrives_on_every_seed(stored: dict) -> None:
    assert min(sampled(stored, "ground_truth", "true_energy")) > 1000
    assert max(sampled(stored, "ground_truth", "poison")) < 2


def test_proxy_earns_more_proxy_and_less_energy_than_anyone_should(stored: dict) -> None:
    random = stored["baselines"]["random"]["true_energy"]
    assert max(sampled(stored, "proxy", "true_energy")) < random
    best = max(sampled(stored, "ground_truth", "proxy_score"))
    assert min(sampled(stored, "proxy", "proxy_score")) > best


def test_every_ground_truth_model_passes_verification(stored: dict) -> None:
    units = [unit for unit in stored["units"] if unit["condition"] == "ground_truth"]
    assert all(unit["metrics"]["verification"]["passed"] for unit in units)


def test_every_file_it_names_is_there() -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    spoken = re.findall(r"`((?:goodharts_lib|book|notebooks)/[^`]*)`", README)
    missing = [name for name in linked + spoken if not (ROOT / name).exists()]
    assert linked
    assert spoken
    assert not missing


def test_what_the_default_network_gives_is_what_was_stored() -> None:
    text = (headline.RESULTS / "quickstart.json").read_text(encoding="utf-8")
    short, long = (unit["metrics"]["verification"] for unit in json.loads(text)["units"])
    assert not short["passed"]
    assert short["choice"] > 0.9
    assert short["alive"] > 0.9
    assert f"directional accuracy {short['directional']:.0%}".replace("%", " %") in README
    assert long["passed"]
    assert f"it passes ({long['directional']:.0%})".replace("%", " %") in README


def spread(name: str, condition: str, path: str) -> str:
    """A stored metric over training seeds, as the README writes it."""
    text = (headline.RESULTS / f"{name}.json").read_text(encoding="utf-8")
    units = [unit for unit in json.loads(text)["units"] if unit["condition"] == condition]
    assert len({unit["seed"] for unit in units}) >= 5
    values = []
    for unit in units:
        value = unit["metrics"]
        for key in path.split("."):
            value = value[key]
        values.append(value)
    interval = stats.t_interval(values)
    digits = 2 if abs(interval.estimate) < 1 else 0
    mean, low, high = (
        f"{number:.{digits}f}".replace("-", "−")
        for number in (interval.estimate, interval.low, interval.high)
    )
    return f"{mean} [{low}, {high}]"


@pytest.mark.parametrize("mode", headline.MODES)
def test_the_swap_effect_is_the_stored_one(mode: str) -> None:
    assert f"{spread('swap', mode, 'tv')} of `{mode}`'s" in README


def test_what_the_clone_does_is_what_was_stored() -> None:
    for path in ("sampled.true_energy", "greedy.true_energy"):
        assert f" {spread('cloning', 'plain', path)} " in README
    text = (headline.RESULTS / "cloning.json").read_text(encoding="utf-8")
    last = [
        unit["metrics"]["last_epoch"]
        for unit in json.loads(text)["units"]
        if unit["condition"] == "plain"
    ]
    accuracy, ceiling = (sum(e[key] for e in last) / len(last) for key in ("accuracy", "ceiling"))
    assert f"({accuracy:.3f} of held-out steps" in README
    assert f"the ceiling at {ceiling:.3f})" in README
