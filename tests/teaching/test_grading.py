"""The grader says of a handed-in notebook what its checks say, and counts no shown solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from goodharts_lib.errors import UserError
from goodharts_lib.teaching import __main__ as grading

START = "from goodharts_lib.teaching import check"
EFFECTS = '{"wages": 2125, "eyes": 225, "interaction": 370}'


def handed_in(folder: Path, *sources: str) -> Path:
    """A notebook whose last cell shows the solution of 5.1."""
    cells = [new_code_cell(source) for source in (START, *sources)]
    cells.append(new_code_cell(f'check("5.1", {EFFECTS})', metadata={"tags": ["solution"]}))
    path = folder / "answers.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_an_untouched_stub_is_not_right_although_the_solution_stands_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = handed_in(tmp_path, 'check("5.1", {"wages": ...})', "def f(x):\n    raise KeyError(x)",
                     'check("5.2", f)\nf(1)')  # fmt: skip
    before = path.read_bytes()
    assert grading.main([str(path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{path}: 0 of 2 right"
    assert said[1].startswith("  5.1  nothing to check yet.")
    assert said[2].startswith("  5.2  your answer raised KeyError")
    assert path.read_bytes() == before


def test_the_last_answer_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = handed_in(tmp_path, 'check("5.1", {"wages": 1, "eyes": 2, "interaction": 3})',
                     f'check("5.1", {EFFECTS})')  # fmt: skip
    assert grading.main([str(path)]) == 0
    assert "5.1  right." in capsys.readouterr().out


def cell(source: str, *outputs: Any) -> Any:
    return new_code_cell(source, outputs=list(outputs))


def test_a_cell_that_fails_before_its_check_is_counted() -> None:
    error = new_output("error", ename="NameError", evalue="f", traceback=[])
    page = new_notebook(cells=[cell('check("7.3", f)', error), cell('check("7.2", lambda: 1)')])
    assert grading.verdicts(page) == {
        "7.3": "its cell raised NameError.",
        "7.2": "its check said nothing.",
    }


def test_a_notebook_without_exercises_has_nothing_right(tmp_path: Path) -> None:
    path = tmp_path / "empty.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1 + 1")]), path)
    assert grading.main([str(path)]) == 1


@pytest.mark.parametrize(("text", "words"), [(None, "no notebook"), ("no", "is not a notebook")])
def test_what_is_no_notebook_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "page.ipynb"
    if text:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        grading.grade(path, 10)
