"""The reference: the library, the bibliography, the glossary, and how to make it all again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import goodhart_api as api
import pytest
from browse import ROOT, SITE, pages_of
from pybtex.database import Entry, parse_file

import goodharts_lib
from goodharts_lib.experiments import results, tables
from goodharts_lib.experiments.catalog import EXPERIMENTS

BOOK = ROOT / "book"
CHAPTERS = pages_of(ROOT / "_toc.yml")
API = {path: path.read_text(encoding="utf-8") for path in sorted((BOOK / "api").glob("*.md"))}
SHOWN = [
    name
    for text in API.values()
    for name in re.findall(r"^\.\. autoapimodule:: (\S+)", text, re.MULTILINE)
]
NOTEBOOKS = {
    path: "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
PAGES = [path.read_text(encoding="utf-8") for path in BOOK.rglob("*.md")]
WORKS = dict(parse_file(str(BOOK / "references.bib")).entries)
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


def test_every_module_shown_has_a_heading_that_says_where_to_import_from() -> None:
    for text in API.values():
        for name in re.findall(r"autoapimodule:: (\S+)", text):
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


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_no_built_page_names_a_folder_of_one_machine() -> None:
    found = [
        name
        for name in CHAPTERS
        if MACHINE.search(re.sub(r"<[^>]+>", " ", (SITE / f"{name}.html").read_text()))
    ]
    assert found == []


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
    assert api.constants(SOURCE) == {"SIZE": "cells", "TABLE": "by name"}
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


def names(entry: Entry) -> tuple[str, str]:
    """The first author's last name and the year."""
    last = " ".join(entry.persons["author"][0].last_names).strip("{}")
    return last, entry.fields["year"]


@pytest.mark.parametrize("key", WORKS)
def test_a_work_has_an_identifier(key: str) -> None:
    fields = WORKS[key].fields
    assert re.fullmatch(r"10\.\d{4,}/\S+", fields.get("doi", "")) or \
        re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "")) or \
        re.fullmatch(r"https://\S+", fields.get("url", "")), key  # fmt: skip
    assert ("eprint" in fields) == (fields.get("archivePrefix") == "arXiv")


def test_no_work_is_listed_twice() -> None:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(WORKS)
    for field in ("doi", "eprint", "url"):
        there = [entry.fields[field] for entry in WORKS.values() if field in entry.fields]
        assert len(there) == len(set(there))
    firsts = [names(entry)[0] for entry in WORKS.values()]
    assert firsts == sorted(firsts, key=str.casefold)


@pytest.mark.parametrize("key", WORKS)
def test_a_work_is_cited(key: str) -> None:
    everything = "\n".join([*PAGES, *NOTEBOOKS.values()])
    last, year = names(WORKS[key])
    plainly = rf"{last}[\s\S]{{0,600}}{year}|{year}[^\n]{{0,40}}{last}"
    role = rf"\{{cite:\w+\}}`[^`]*\b{key}\b"
    address = re.escape(WORKS[key].fields.get("url", "no address"))
    assert re.search(f"{plainly}|{role}|{address}", everything), key


def test_every_key_that_is_cited_is_a_work() -> None:
    cited = re.findall(r"\{cite:\w+\}`([^`]+)`", "\n".join([*PAGES, *NOTEBOOKS.values()]))
    assert cited
    assert {key.strip() for keys in cited for key in keys.split(",")} <= set(WORKS)


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


def test_the_numbers_of_the_glossary_are_the_configuration_s() -> None:
    config, said = goodharts_lib.load_config(), glossary()
    items = config.items
    assert f"{items.food_interestingness} for food, {items.poison_interestingness} for" in \
        said["interestingness"]  # fmt: skip
    gap = round(items.food_interestingness - items.poison_interestingness, 6)
    assert f": {gap} unless" in said["gap"]
    clip = config.training.eps_clip
    assert f"[{1 - clip:.1f}, {1 + clip:.1f}]" in said["clipping"]
    assert f"here {config.training.steps_per_episode} steps" in said["restricted mean survival"]


def test_the_table_of_experiments_is_that_of_the_stored_results() -> None:
    stored = (BOOK / "reproduce_table.md").read_text(encoding="utf-8")
    assert stored == tables.reproduction_table(results.shipped()) + "\n", (
        "run: python -m goodharts_lib.experiments status --markdown > book/reproduce_table.md"
    )


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
