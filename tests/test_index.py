"""The first page says what the stored results say, and asks each page's own question."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import yaml

from goodharts_lib.experiments import catalog, results
from goodharts_lib.modes import MODES

ROOT = Path(__file__).parent.parent
INDEX = (ROOT / "book" / "index.md").read_text(encoding="utf-8")


def mean(condition: str, key: str) -> str:
    """A stored score after a million steps in worlds where nobody dies, as on page 5."""
    stored = catalog.load_results("two_by_two")
    found = results.values(stored, condition, f"at.1000000.immortal.{key}")
    return f"{sum(found) / len(found):,.0f}".replace("-", "−")


def test_its_numbers_are_those_of_the_stored_results() -> None:
    proxy, sighted = mean("proxy", "proxy_score"), mean("proxy_sighted", "proxy_score")
    best = mean("ground_truth", "proxy_score")
    assert f"{proxy} and {sighted} per 1,000 steps in the end, against {best} for" in INDEX
    low = mean("proxy", "true_energy"), mean("proxy_sighted", "true_energy")
    walk = mean("random", "true_energy")
    assert f"fall to {low[0]} and {low[1]}, far below an agent" in INDEX
    assert f"walks at random and has {walk}." in INDEX
    high = mean("ground_truth", "true_energy"), mean("proxy_jammed", "true_energy")
    assert f"end at +{high[0]} and +{high[1]}." in INDEX


def test_it_counts_the_seeds_of_its_picture() -> None:
    stored = catalog.load_results("two_by_two")
    seeds = len(results.values(stored, "proxy", "total_steps"))
    assert {5: "five", 10: "ten"}[seeds] + " of each kind" in INDEX


WORDS = {"types": "what each thing is", "glow": "what the sensor reads", "energy": "energy",
         "interestingness": "what the sensor reads"}  # fmt: skip


def test_it_says_what_each_kind_of_agent_sees_and_is_paid() -> None:
    for mode in MODES.values():
        assert f"| `{mode.name}` | {WORDS[mode.sees]} | {WORDS[mode.is_paid]} |" in INDEX


def parts() -> dict[str, list[str]]:
    """The table of contents: the files of each part, without the pages below a page."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {part["caption"]: [page["file"] for page in part["chapters"]] for part in toc["parts"]}


def test_every_page_of_the_story_is_there_with_its_question() -> None:
    for name in parts()["The story"]:
        page = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
        title = page.cells[0].source.splitlines()[0].removeprefix("# ")
        question = re.search(r"^\*([^*]+\?)\*$", page.cells[0].source, re.MULTILINE)
        assert question
        assert f"| [{title}](../{name}.ipynb) | {question[1]} |" in INDEX


def test_every_other_page_is_linked() -> None:
    for caption, names in parts().items():
        for name in names:
            if caption != "The story":
                assert f"]({name.removeprefix('book/')}.md)" in INDEX, name
