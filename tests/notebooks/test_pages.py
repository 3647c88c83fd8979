"""Every numbered page keeps to the template: question, goals, prediction, exercises, contract."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest
from training.tiny import ROOT

PAGES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
BANNED = r"^\s*!|https?://(?!github)|np\.random\.seed|/(home|tmp)/"
PARTS = ("You will be able to", "## The situation", "Predict first", "## What happened", "Caveat",
         "## Exercises", "## Summary")  # fmt: skip


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(page: Any) -> list[Any]:
    return [cell for cell in page.cells if cell.cell_type == "code"]


def prose(page: Any) -> str:
    return "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")


def printed(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest) -> Any:
    return read(request.param)


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def whole(request: pytest.FixtureRequest) -> Any:
    found = read(request.param)
    found.metadata["stem"] = request.param.stem
    return found


def test_it_is_stored_as_it_ran_from_top_to_bottom(page: Any) -> None:
    assert [cell.execution_count for cell in code(page)] == list(range(1, len(code(page)) + 1))
    for cell in code(page):
        assert not [output for output in cell.outputs if output.output_type == "error"]


def test_cells_are_short_and_keep_to_the_machine_they_are_on(page: Any) -> None:
    lengths = [len(cell.source.splitlines()) for cell in code(page)]
    assert len(page.cells) <= 50
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 10
    for cell in code(page):
        if "remove-cell" not in tags(cell):
            assert max(map(len, cell.source.splitlines())) <= 80
        assert not re.search(BANNED, cell.source, re.MULTILINE)


def test_the_last_cell_is_the_contract_and_the_reader_does_not_see_it(page: Any) -> None:
    last = page.cells[-1]
    assert last.cell_type == "code"
    assert "remove-cell" in tags(last)
    assert last.source.count("assert ") >= 5


def test_it_has_every_part_in_order(whole: Any) -> None:
    text = prose(whole)
    number = int(whole.metadata["stem"][:2])
    assert text.startswith(f"# {number}. ")
    places = [text.index(part) for part in PARTS]
    assert places == sorted(places)
    assert re.search(r"^\*[^*]+\?\*$", text, re.MULTILINE), "the page's question, in italics"
    assert re.search(r"^Next: .*\?", text, re.MULTILINE), "the next page's question"
    assert "Further reading: " in text


def test_answers_to_predictions_are_hidden_and_need_no_python(whole: Any) -> None:
    text = prose(whole)
    assert text.count("<details") == text.count("</details>") >= 1
    first = text.index("<details")
    assert text.index("Predict first") < first
    assert '<summary>Answer' in text


def test_every_sentence_has_a_line_of_its_own(whole: Any) -> None:
    for line in prose(whole).splitlines():
        told = re.sub(r"\([^)]*\)|`[^`]*`|\$[^$]*\$|\*\*?|et al\.|vs\.|\d+\. |[A-Z]\. ", "", line)
        if not line.startswith(("|", "-", "Next:", "Further reading:", "#", ":", "<")):
            assert not re.search(r"[a-z)][.!?] [A-Z]", told), line


def test_a_page_that_is_spoken_of_is_linked(whole: Any) -> None:
    text, number = prose(whole), int(whole.metadata["stem"][:2])
    spoken_of = {int(k) for k in re.findall(r"\b[Pp]age (\d{1,2})\b", text)} - {number}
    linked = {int(k) for k in re.findall(r"\]\((\d\d)_\w+\.ipynb\)", text)}
    assert spoken_of == linked


def test_three_exercises_with_stub_and_solution_that_were_run(whole: Any) -> None:
    number = int(whole.metadata["stem"][:2])
    exercises = re.findall(r"^### (\d+\.\d+) ", prose(whole), re.MULTILINE)
    assert exercises == [f"{number}.{k}" for k in (1, 2, 3)]
    for exercise in exercises:
        cells = [cell for cell in code(whole) if f'check("{exercise}"' in cell.source]
        stub, solution = cells
        assert "solution" not in tags(stub)
        assert {"solution", "hide-cell"} <= set(tags(solution))
        assert "nothing to check yet" in printed(stub)
        assert printed(solution) == f"Exercise {exercise}: right.\n"


def test_reading_and_running_take_as_long_as_the_page_says(whole: Any) -> None:
    text = prose(whole)
    words = len(re.sub(r"<[^>]+>|\$\$.*?\$\$", " ", text, flags=re.DOTALL).split())
    minutes = float(re.findall(r"^Reading: about (\d+) minutes?\.$", text, re.MULTILINE)[0])
    assert minutes * 0.75 <= max(words / 200, 1) <= minutes * 1.25, f"{words} words"
    said = float(re.findall(r"^Running: about (\d+) seconds? ", text, re.MULTILINE)[0])
    ran = whole.metadata["goodharts"]["seconds"]
    assert said * 0.75 <= ran <= said * 1.25, f"it ran {ran} seconds"
