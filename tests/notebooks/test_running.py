"""Executing a notebook writes what it prints, how long that took, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
import run_notebooks
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from run_notebooks import RUNNING, running

from goodharts_lib.errors import UserError

PAGES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_what_a_page_says_is_near_what_was_measured() -> None:
    for tenths in range(2000):
        said = int(running(tenths / 10, 2).split()[2])
        assert said * 0.75 <= max(1, round(tenths / 10)) <= said * 1.25
        assert said < 15 or said % 5 == 0
        assert RUNNING.fullmatch(running(tenths / 10, 2))


def test_the_sentence_counts_seconds_and_cores() -> None:
    assert running(22.6, 2) == "Running: about 25 seconds on two CPU cores."
    assert running(0.4, 1) == "Running: about 1 second on one CPU core."
    assert running(13.4, 64) == "Running: about 13 seconds on 64 CPU cores."
    assert RUNNING.fullmatch(running(13.4, 64))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_page_has_the_sentence_that_is_written(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert [len(RUNNING.findall(c.source)) for c in cells if "Running:" in c.source] == [1]


def written(folder: Path) -> Path:
    told = "Reading: about 3 minutes.\nRunning: about 9 seconds on two CPU cores.\n\nRunning on."
    cells = [new_markdown_cell(told), new_code_cell("print(6 * 7)"), new_markdown_cell("The end.")]
    path = folder / "page.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_the_page_says_what_its_metadata_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    before = nbformat.read(path, as_version=4)
    clock = iter([100.0, 123.0])
    monkeypatch.setattr(run_notebooks, "time", Clock(clock))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert run_notebooks.main([str(path)]) == 0
    after = nbformat.read(path, as_version=4)
    assert after.metadata["goodharts"] == {"seconds": 23}
    assert after.cells[1].outputs[0].text == "42\n"
    assert after.cells[0].source == before.cells[0].source.replace(
        "9 seconds on two", "25 seconds on four"
    )
    assert after.cells[2].source == "The end."


class Clock:
    """The module `time`, of which only the clock is asked."""

    def __init__(self, readings: Any) -> None:
        self._readings = readings

    def monotonic(self) -> float:
        return float(next(self._readings))


def test_a_notebook_that_is_not_there_is_one_sentence_before_any_is_executed(
    tmp_path: Path,
) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"^there is no notebook nowhere.ipynb\.$"):
        run_notebooks.main([str(path), "nowhere.ipynb"])
    assert path.read_bytes() == before


def test_a_notebook_that_raises_is_left_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "1 / 0"
    nbformat.write(notebook, path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run_notebooks.main([str(path)])
    assert path.read_bytes() == before
