"""The README says what the stored results say, and its files and commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import goodhart_pages
import pytest

from goodharts_lib import stats
from goodharts_lib.behaviors.scripted import SCRIPTED
from goodharts_lib.experiments import catalog, results, tables
from goodharts_lib.modes import MODES

EARLY, LATE = 300_000, 1_000_000  # training steps
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return catalog.load_results("two_by_two")


def scores(stored: dict[str, Any], mode: str, key: str) -> list[float]:
    return results.values(stored, mode, f"at.{LATE}.mortal.{key}")


def test_the_table_is_the_one_of_the_stored_results(stored: dict[str, Any]) -> None:
    assert tables.scores_table(stored) in README


def test_as_many_training_seeds_as_it_says_stand_behind_every_mode(stored: dict[str, Any]) -> None:
    found = re.search(r"Means over (\w+) training seeds", README)
    assert found
    said = {"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}[found[1]]
    assert f"one of {found[1]} training seeds" in README  # of the picture
    for mode in MODES:
        assert len(scores(stored, mode, "food")) == said


def test_ground_truth_thrives_on_every_seed(stored: dict[str, Any]) -> None:
    assert min(scores(stored, "ground_truth", "true_energy")) > 1000
    assert max(scores(stored, "ground_truth", "poison")) < 2


def test_proxy_earns_more_proxy_and_less_energy_than_anyone_should(stored: dict[str, Any]) -> None:
    assert max(scores(stored, "proxy", "true_energy")) < min(
        scores(stored, "random", "true_energy")
    )
    best = max(scores(stored, "ground_truth", "proxy_score"))
    assert min(scores(stored, "proxy", "proxy_score")) > best


def test_the_small_network_is_as_fast_as_it_says() -> None:
    measured = json.loads((ROOT / "benchmarks/measured.json").read_text("utf-8"))["sections"]
    speeds = {
        section[1]: line["value"]
        for section, lines in measured.items()
        for line in lines
        if line["name"] in ("this library", "all threads (2)")
    }  # by the letter of the section
    assert round(speeds["c"] / speeds["a"]) == 9
    said = "about nine times as many steps a second"
    assert f"trains {said}" in README
    assert said in (ROOT / "goodharts_lib/config.toml").read_text("utf-8")


def test_every_scripted_agent_of_the_table_is_described() -> None:
    assert set(re.findall(r"^- `(\w+)` ", README, re.MULTILINE)) == set(SCRIPTED)


def test_every_file_it_names_is_there() -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    spoken = re.findall(r"`((?:goodharts_lib|book|notebooks)/[^`]*)`", README)
    missing = [name for name in linked + spoken if not (ROOT / name).exists()]
    assert linked
    assert spoken
    assert not missing


def test_what_the_default_network_gives_is_what_was_stored() -> None:
    base = catalog.load_results("two_by_two_base")

    def found(step: int, what: str) -> list[float]:
        return results.values(base, "ground_truth", f"at.{step}.verification.{what}")

    assert len(found(EARLY, "passed")) == 5
    assert not any(found(100_000, "passed"))
    assert min(found(100_000, "choice") + found(100_000, "alive")) > 0.9
    assert all(found(EARLY, "passed"))
    for step, said in ((100_000, "(directional accuracy {} to {} % on"), (EARLY, "({} to {} %)")):
        accuracy = [round(100 * share) for share in found(step, "directional")]
        assert said.format(min(accuracy), max(accuracy)) in README


def test_a_card_on_another_site_tells_what_the_readme_tells_of_the_picture() -> None:
    assert f"![{goodhart_pages.PICTURE_TEXT}](book/_assets/{goodhart_pages.PICTURE})" in README


def spread(values: list[float]) -> str:
    """A stored metric over training seeds, as the README writes it."""
    assert len(values) >= 5
    interval = stats.t_interval(values)
    digits = 2 if abs(interval.estimate) < 1 else 0
    mean, low, high = (
        f"{number:.{digits}f}".replace("-", "−")
        for number in (interval.estimate, interval.low, interval.high)
    )
    return f"{mean} [{low}, {high}]"


@pytest.mark.parametrize("mode", MODES)
def test_the_swap_effect_is_the_stored_one(stored: dict[str, Any], mode: str) -> None:
    moved = results.values(stored, mode, f"at.{LATE}.swap.tv")
    assert f"{spread(moved)} of `{mode}`'s" in README


def test_what_the_clone_does_is_what_was_stored() -> None:
    clones = catalog.load_results("cloning")
    name = "omniscient_seeker 10000"
    for decoding in ("mortal", "greedy"):
        made = results.values(clones, name, f"at.end.{decoding}.true_energy")
        assert f" {spread(made)} " in README
    for key, words in (("accuracy", "({} of held-out steps"), ("ceiling", "the ceiling at {})")):
        found = results.values(clones, name, f"last_epoch.{key}")
        assert words.format(f"{sum(found) / len(found):.3f}") in README
    itself = results.values(clones, "omniscient_seeker itself", "at.end.mortal.true_energy")
    assert f"the expert makes {sum(itself) / len(itself):.0f})" in README
