"""The reference: the library, and how to make it all again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import goodhart_api as api
import numpy as np
import pytest
from browse import ROOT, SITE, pages_of
from goodhart_book import class_docstring

import goodharts_lib
from goodharts_lib.experiments import catalog, results, tables
from goodharts_lib.experiments.catalog import EXPERIMENTS

BOOK = ROOT / "book"
CHAPTERS = pages_of(ROOT / "_toc.yml")
API = {path: path.read_text(encoding="utf-8") for path in sorted((BOOK / "api").glob("*.md"))}
SHOWN = [name for text in API.values() for name in api.modules(text)]
NOTEBOOKS = {
    path: "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
MACHINE = re.compile(r"(?<![\w.:/-])/(home|root|work|tmp|Users)/")


def test_every_page_of_the_reference_is_a_chapter() -> None:
    mine = {f"book/{name}" for name in ("glossary", "bibliography", "reproduce", "contribute")}
    assert mine | {f"book/api/{path.stem}" for path in API} <= set(CHAPTERS)


def test_the_library_s_pages_are_few() -> None:
    assert len(API) <= 15
    assert len(SHOWN) == len(set(SHOWN))


def test_its_first_page_names_what_can_be_imported_from_the_top() -> None:
    text = API[BOOK / "api" / "index.md"]
    linked = re.findall(r"^\| \{py:\w+\}`(\w+) <([\w.]+)\.(\w+)>`", text, re.MULTILINE)
    assert sorted(name for name, *_ in linked) == sorted(goodharts_lib.__all__)
    for name, home, there in linked:
        assert name == there
        assert home == f"goodharts_lib.{goodharts_lib._HOMES[name]}"
        assert home in SHOWN


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_imports_is_in_the_reference(path: Path) -> None:
    found = re.findall(
        r"^from (goodharts_lib[\w.]*) import ([^(\n]+)", NOTEBOOKS[path], re.MULTILINE
    )
    assert found
    for home, names in found:
        for name in names.split(", "):
            whole = f"{home}.{name.split(' as ')[0].strip()}"
            module = (ROOT / f"{whole.replace('.', '/')}.py").is_file()
            assert (whole if module else home) in [*SHOWN, "goodharts_lib"], whole


def test_a_page_shows_modules_whole_or_by_functions() -> None:
    text = ".. autoapimodule:: a.b\n   :members:\n\n.. autoapifunction:: a.c.f\n"
    assert api.modules(text + ".. autoapifunction:: a.c.g\n") == {"a.b", "a.c"}


def test_every_module_shown_has_a_heading_that_says_where_to_import_from() -> None:
    for text in API.values():
        for name in api.modules(text):
            assert re.search(rf"^## .+\n\nFrom `{re.escape(name)}`\.$", text, re.MULTILINE), name


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_the_built_pages_hold_the_names() -> None:
    built = {page.stem: page.read_text() for page in (SITE / "book" / "api").glob("*.html")}
    assert set(built) == {path.stem for path in API}
    everything = "".join(built.values())
    for name in goodharts_lib.__all__:
        assert f'id="goodharts_lib.{goodharts_lib._HOMES[name]}.{name}"' in everything
    assert "wrong_page" not in everything
    assert "teaching.page" not in everything
    assert "Variables" not in everything
    assert 'id="goodharts_lib.teaching.check.fault_of"' in everything
    assert "param exercise" not in everything
    for name in ("omniscient_seeker", "guided_backprop"):  # of SCRIPTED and METHODS
        assert f'<span class="pre">{name}</span>' in everything


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_no_built_page_names_a_folder_of_one_machine() -> None:
    found = [
        name
        for name in CHAPTERS
        if MACHINE.search(re.sub(r"<[^>]+>", " ", (SITE / f"{name}.html").read_text()))
    ]
    assert found == []


def test_the_numbers_of_the_world_s_page_are_the_configuration_s() -> None:
    source = (ROOT / "goodharts_lib/environments/vec_env.py").read_text(encoding="utf-8")
    text = " ".join((class_docstring(source, "VecEnv") or "").split())
    config = goodharts_lib.load_config()
    agent, items, train = config.agent, config.items, config.training
    side = 2 * agent.view_range + 1
    for said in (
        f"{config.world.width}×{config.world.height} unless",
        f"The {side}×{side} cells",
        f"begins with {agent.energy_start}",
        f"A step costs {agent.energy_move_cost}, food gives {items.food_energy},",
        f"poison takes {-items.poison_energy}",
        f"reads {items.food_interestingness} on food, {items.poison_interestingness} on poison,",
        f"{items.prey_interestingness} on prey and {items.predator_interestingness} on a predator",
        f"after {train.steps_per_episode} steps",
        f"food ({train.min_food}–{train.max_food})",
        f"poison ({train.min_poison}–{train.max_poison})",
    ):
        assert said in text, said
    assert text.endswith("on one device.")  # its arguments are left to the reference
    assert class_docstring("class A:\n    x = 1\n", "A") == ""
    assert class_docstring("", "A") is None


SOURCE = '''
Pair = tuple[int, int]
Level = Annotated[int, Range(1, 9)]
SIZE = 3  # cells
TABLE = {  # by name
    "a": 1,
}
_HIDDEN = 1  # not for readers


class Events(NamedTuple):
    """What happened."""

    eaten: Tensor  # (n,) uint8
    level: Level
    plain: int
    _inner: int  # not for readers


class Kind(IntEnum):
    """Kinds."""

    FOOD = 2  # a disc
'''


def test_a_comment_on_its_line_documents_a_field_or_a_constant() -> None:
    assert api.constants(SOURCE) == {"SIZE": "cells", "TABLE": "by name: ``a``"}
    fields = api.fields(SOURCE)
    assert fields["Events"] == [
        ":ivar eaten: ``Tensor``: (n,) uint8",
        ":ivar level: ``int``, ``Range(1, 9)``",
        ":ivar plain: ``int``",
    ]
    assert fields["Kind"] == [":ivar FOOD: ``2``: a disc"]
    assert api.aliases(SOURCE) == {
        "Pair": "tuple[int, int]",
        "Level": "Annotated[int, Range(1, 9)]",
    }


def test_what_was_taken_for_a_type_is_given_back_to_the_text() -> None:
    taken = (
        "Sum.\n\n:returns: the sum,\n          of all.\n:rtype: (n,)\n:raises ValueError: none.\n"
    )
    given = "Sum.\n\n:returns: (n,): the sum,\n          of all.\n:raises ValueError: none.\n"
    assert api._without_types(taken) == given
    assert api._without_types("the rest.\n\n:type: Updates\n") == "Updates: the rest.\n"
    assert api._without_types(given) == given


def test_names_that_share_a_description_get_one_each() -> None:
    shared = ":ivar food, poison: per\n    step.\n:ivar deaths: too.\n"
    assert api._one_by_one(shared) == (
        ":ivar food: per\n    step.\n:ivar poison: per\n    step.\n:ivar deaths: too.\n"
    )


def test_the_table_of_experiments_is_that_of_the_stored_results() -> None:
    stored = (BOOK / "reproduce_table.md").read_text(encoding="utf-8")
    assert stored == tables.reproduction_table(results.shipped()) + "\n", (
        "run: python -m goodharts_lib.experiments status --markdown > book/reproduce_table.md"
    )


def test_what_a_unit_takes_is_what_was_stored() -> None:
    text = (BOOK / "reproduce.md").read_text(encoding="utf-8")
    took = {
        name: [u["seconds"] for u in catalog.load_results(name)["units"] if u["seconds"] > 10]
        for name in ("two_by_two", "gap")  # without scripted agents, which take a moment
    }
    assert "A unit of `two_by_two` takes about three minutes" in text
    assert 150 < np.median(took["two_by_two"]) < 210
    assert "of `gap` from half a minute to a quarter of an hour" in text
    low, high = np.quantile(took["gap"], [0.0, 0.95])
    assert 20 < low < 40
    assert 720 < high < 960


def test_the_table_says_how_much_is_done(tmp_path: Path) -> None:
    done = {"condition": "random", "seed": 200, "seconds": 5400.0, "machine": {}, "metrics": {}}
    definition = EXPERIMENTS["mortality"].definition()
    stored = {
        "definition": definition, "definition_hash": results.hashed(definition), "units": [done],
        "manifest": {"compute_seconds": 5400, "checksum": results.checksum([done])},
    }  # fmt: skip
    results.write(stored, tmp_path)
    rows = tables.reproduction_table(tmp_path).splitlines()
    assert len(rows) == 2 + len(EXPERIMENTS)
    question, short = EXPERIMENTS["mortality"].question, stored["manifest"]["checksum"][:12]
    assert f"| {question} | `run mortality` | 1 of 35 | 1.50 | `{short}` | nothing |" in rows
    gap = EXPERIMENTS["gap"]
    assert f"| {gap.question} | `run gap` | 0 of 74 |  |  | {gap.cut} |" in rows
    other = definition | {"measure": "another"}
    results.write(
        stored | {"definition": other, "definition_hash": results.hashed(other)}, tmp_path
    )
    assert "| 1 of 35, stale | 1.50 |" in tables.reproduction_table(tmp_path)
