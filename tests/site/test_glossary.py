"""The glossary: its order, its links, and its numbers, which are the library's."""

from __future__ import annotations

import math
import re

from browse import ROOT

from goodharts_lib import load_config, stats
from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.experiments import catalog, measures, results

BOOK = ROOT / "book"


def glossary() -> dict[str, str]:
    """The glossary's terms, each with what it says."""
    text = (BOOK / "glossary.md").read_text(encoding="utf-8")
    text = text.split("```{glossary}\n")[1].split("\n```")[0]
    return dict(re.findall(r"^(\S.*)\n    (.+)$", text, re.MULTILINE))


def test_the_glossary_is_in_order_and_has_the_first_page_s_terms() -> None:
    terms = list(glossary())
    assert terms == sorted(terms, key=str.casefold)
    index = (BOOK / "index.md").read_text(encoding="utf-8")
    first = re.findall(r"^(.+)\n: ", index, re.MULTILINE)
    assert len(first) == 4
    assert set(first) <= set(terms)
    faces = {"regressional", "extremal", "causal", "adversarial"}
    assert faces | {"Goodhart's law", "critic", "episode", "update", "view", "p*"} <= set(terms)


def test_a_link_of_the_glossary_leads_where_it_says() -> None:
    for term, said in glossary().items():
        linked = re.findall(r"\[[^]]+\]\(([^)#]+)\)", said)
        assert all((BOOK / page).resolve().is_file() for page in linked), term
        numbers = re.findall(r"\[[Pp]age (\d+)\]\(\.\./notebooks/(\d\d)_", said)
        assert all(int(number) == int(file) for number, file in numbers), term


def test_the_numbers_of_the_glossary_are_the_configuration_s() -> None:
    config, said = load_config(), glossary()
    items = config.items
    assert f"{items.food_interestingness} for food, {items.poison_interestingness} for" in \
        said["interestingness"]  # fmt: skip
    gap = round(items.food_interestingness - items.poison_interestingness, 6)
    assert f": {gap} unless" in said["gap"]
    clip = config.training.eps_clip
    assert f"[{1 - clip:.1f}, {1 + clip:.1f}]" in said["clipping"]
    steps = config.training.steps_per_episode
    assert f"here {steps} steps" in said["restricted mean survival"]
    assert f"at most {steps} steps" in said["episode"]
    assert f"here {config.training.gamma}," in said["discount"]
    side = 2 * config.agent.view_range + 1
    assert f"{side} × {side} cells" in said["view"]
    worlds, length = config.training.n_envs, config.training.steps_per_env
    assert f"{worlds} agents walk {length} steps" in said["update"]
    assert f"{worlds * length:,} steps together" in said["update"]
    border = items.food_energy / (items.food_energy - items.poison_energy)
    assert f"Here it is {border}." in said["p*"]
    assert f"about {math.log(len(ACTIONS)):.2f}, when all eight" in said["entropy"]
    assert f"less than {measures.POISON_SHARE:.0%}".replace("%", " %") in said["learning time"]
    assert f"more than {measures.MEALS:g} meals" in said["learning time"]


def test_an_example_of_an_interval_is_a_result() -> None:
    stored = catalog.load_results("two_by_two")
    energy = results.values(stored, "ground_truth", "at.1000000.immortal.true_energy")
    found = stats.t_interval(energy)
    example = f"{found.estimate:,.0f} [{found.low:,.0f}, {found.high:,.0f}]"
    assert f" {example}:" in glossary()["interval"]
    assert f"`{example}`" in (BOOK / "style_guide.md").read_text(encoding="utf-8")
