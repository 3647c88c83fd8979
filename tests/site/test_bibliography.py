"""The bibliography: every work that is cited, none that is not, and each with an address."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browse import ROOT
from pybtex.database import Entry, parse_file

BOOK = ROOT / "book"
NOTEBOOKS = {
    path: "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    for cells in [json.loads(path.read_text(encoding="utf-8"))["cells"]]
}
PAGES = [path.read_text(encoding="utf-8") for path in BOOK.rglob("*.md")]
WORKS = dict(parse_file(str(BOOK / "references.bib")).entries)
NAME = r"[A-Z]\w+(?:-[A-Z]\w+)*"
NAMED = re.compile(  # Pan (2022); Ross and Bagnell 2010); Jascha Sohl-Dickstein ([2022]
    rf"({NAME})(?:(?:, {NAME})*,? and {NAME}| et al\.)? \(?\[?((?:19|20)\d\d)[),\]]"
)
IDENTIFIER = re.compile(r"arxiv\.org/abs/(\d{4}\.\d{4,5})|\b(10\.\d{4,}/[^\s)\]]+)")


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


def missing(text: str) -> list[str]:
    """What a text cites and references.bib lacks: addresses, and names with their years."""
    source = (BOOK / "references.bib").read_text(encoding="utf-8")
    unknown = ["".join(found) for found in IDENTIFIER.findall(text)]
    unknown = [identifier for identifier in unknown if identifier not in source]
    for name, year in NAMED.findall(text):
        told = [str(dict(e.fields)) for e in WORKS.values() if name in str(e.persons["author"])]
        if not any(year in fields for fields in told):  # or the year of a reprint, in a note
            unknown.append(f"{name} {year}")
    return unknown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_page_cites_is_a_work(path: Path) -> None:
    assert missing(NOTEBOOKS[path]) == []


def test_a_work_that_is_missing_is_found() -> None:
    known = "As Ng, Harada and Russell (1999), Pardo et al. 2018) and Campbell (1976) found"
    assert missing(f"{known}, [here](https://arxiv.org/abs/1712.00378) in 1996.") == []
    assert missing("Roe ([2031](https://doi.org/10.1234/roe)), Pan and Roe (2031)") == [
        "10.1234/roe", "Roe 2031", "Pan 2031",
    ]  # fmt: skip


def test_every_key_that_is_cited_is_a_work() -> None:
    cited = re.findall(r"\{cite:\w+\}`([^`]+)`", "\n".join([*PAGES, *NOTEBOOKS.values()]))
    assert cited
    assert {key.strip() for keys in cited for key in keys.split(",")} <= set(WORKS)
