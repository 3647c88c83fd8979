"""A number in a page's prose stands in its code, its contract or its outputs as well."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?"
NOT_NUMBERS = (
    r"^## Exercises.*?^## Summary",  # checked by their checks
    r"^[^\n]*(?:\]\(http|\((?:1[5-9]|20)\d\d\))[^\n]*$",  # what others found
    r"^\d+\. [^\n]*$|^#[^\n]*$|R(?:ead|unn)ing:[^\n]*",  # choices, headings, times
    r"\]\([^)]*\)|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$",  # links, code, formulas
    r"[Pp]ages? \d+(?:(?: and|,| to) \d+)*|exercise \d+\.\d|\bP\d+[ab]?\b",  # names
    r"\b(?:1[5-9]|20)\d\d\b",  # years
)
USUAL = {95.0}  # per cent, of every interval


def numbers(text: str) -> set[float]:
    text = re.sub(r"(?<=\d)_(?=\d)", "", text)
    return {float(found.replace(",", "")) for found in re.findall(NUMBER, text)}


def backed(page: Any) -> set[float]:
    """The numbers in a page's code and outputs, and in the library's settings."""
    texts = [(ROOT / "goodharts_lib" / "config.toml").read_text(encoding="utf-8")]
    for cell in page.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                data = output.get("data", {})
                shown = re.sub(r'src="[^"]*"', "", data.get("text/html", ""))
                texts += [output.get("text", ""), data.get("text/plain", ""), html.unescape(shown)]
    return set().union(*map(numbers, texts)) | USUAL


def unbacked(page: Any) -> list[float]:
    """The numbers of the prose that nothing stands behind; small counts are let pass."""
    prose = "\n\n".join(c.source for c in page.cells if c.cell_type == "markdown")
    prose = prose.split("Further reading:")[0]
    known = {scale * x for x in backed(page) for scale in (1, 100, 0.01, 1000, 0.001, 1e-6)}
    told = re.sub("|".join(NOT_NUMBERS), "", prose, flags=re.MULTILINE | re.DOTALL)
    return sorted(
        x
        for x in numbers(told)
        if not (x <= 20 and x == int(x)) and not any(stands_for(x, y) for y in known)
    )


def stands_for(said: float, known: float) -> bool:
    """Whether a number says the same as another, or is that one rounded to two decimals."""
    return abs(said - known) < 1e-9 or (said != round(said, 1) and round(known, 2) == said)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_number_stands_in_the_prose_alone(path: Path) -> None:
    assert unbacked(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize(
    ("page", "right", "wrong"),
    [("06", "ships −708,", "ships −780,"), ("07", "663,552 steps", "663,525 steps"),
     ("08", "0.115 [", "0.151 ["), ("05", "ends at 229 [", "ends at 292 [")],
)  # fmt: skip
def test_a_wrong_number_is_found(page: str, right: str, wrong: str) -> None:
    path = next(path for path in PAGES if path.stem.startswith(page))
    notebook = nbformat.read(path, as_version=4)
    told = [cell for cell in notebook.cells if right in cell.source]
    assert told
    told[0].source = told[0].source.replace(right, wrong)
    assert len(unbacked(notebook)) == 1
