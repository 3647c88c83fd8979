"""The grader says of a handed-in notebook what its checks say, and counts no shown solution."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from training.tiny import run

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


def raw(*cells: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


@pytest.mark.parametrize(
    "text",
    ["no", "", "{}", "[]", "null", '{"nbformat": 99}', '{"nbformat": 4, "cells": 3}', "é",
     raw(3), raw({"cell_type": "code"})],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"page.ipynb is not a notebook\.$"):
        grading.grade(path, 10)


def test_a_damaged_file_is_wrong_and_the_next_is_graded(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ipynb"
    damaged.write_text("{}", encoding="utf-8")
    good = handed_in(tmp_path, f'check("5.1", {EFFECTS})')
    outcome = run(grading.main, damaged, good)
    assert (outcome.status, outcome.err) == (1, "")
    assert outcome.out.splitlines() == [
        f"{damaged}: 0 right; {damaged} is not a notebook.",
        f"{good}: 1 of 1 right",
        "  5.1  right.",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere.ipynb"], "there is no notebook nowhere.ipynb."),
     (["--timeout", "0"], "--timeout must be at least 1, not 0.")],
)  # fmt: skip
def test_a_wrong_argument_is_one_sentence_before_any_work(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    outcome = run(grading.main, handed_in(tmp_path, "1 / 0"), *arguments)
    assert outcome == (2, "", f"error: {words}\n")


@pytest.mark.parametrize(
    ("last", "why"),
    [("while True: pass", "a cell took longer than 4 seconds"),
     ("import os; os._exit(3)", "a cell ended its kernel")],
)  # fmt: skip
def test_a_cell_without_an_end_spoils_what_follows_it_alone(
    tmp_path: Path, last: str, why: str
) -> None:
    said = ['print("Exercise 5.1: right.")  # check("5.1", a)', '# check("5.3", c)', last,
            'check("5.2", b)', 'check("5.1", a)']  # fmt: skip
    cells = [new_code_cell(source) for source in said]
    cells[3].outputs = [new_output("stream", text="Exercise 5.2: right.\n")]  # by whom?
    path = tmp_path / "answers.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    assert grading.grade(path, 4) == {
        "5.1": "right.", "5.2": f"not reached: {why}.", "5.3": "its check said nothing.",
    }  # fmt: skip


def test_a_verdict_of_several_lines_is_told_whole() -> None:
    long = " ".join(["a sentence that goes on"] * 8) + "."
    cell = new_code_cell('check("5.1", a)\ncheck("5.2", b)')
    said = "\n".join(textwrap.wrap(f"Exercise 5.1: {long}", 75))
    cell.outputs = [new_output("stream", text=f"{said}\nExercise 5.2: right.\nbye\n")]
    notebook = new_notebook(cells=[cell])
    assert grading.verdicts(notebook) == {"5.1": long, "5.2": "right."}
