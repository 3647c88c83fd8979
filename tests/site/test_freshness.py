"""The stored outputs of the notebooks come from the code that lies beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import stamp_notebooks as stamp

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_as_new_as_the_code_that_made_them(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert stamp.KEY in notebook["metadata"], f"run `make notebooks`; {path.name} has no stamp"
    changed = stamp.changed(ROOT, notebook)
    assert not changed, f"run `make notebooks`; since {path.name} was executed: {changed}"


LIBRARY = {
    "__init__.py": '_HOMES = {"run": "deep.runner"}\n',
    "config.toml": "[world] # a grid\nwidth = 3\n",
    "deep/__init__.py": "",
    "deep/runner.py": '"""Runs."""\nfrom goodharts_lib import tool\n\nrun = tool.one()\n',
    "tool.py": 'def one():\n    """One."""\n    return 1 # one\n',
    "unused.py": "two = 2\n",
    "teaching/__init__.py": "from goodharts_lib.teaching.check import check\n",
    "teaching/check.py": "def check(exercise, answer):\n    return exercise, answer\n",
    "teaching/page05.py": "from goodharts_lib.prices import WAGES\n\nCHECKS = {'5.1': WAGES}\n",
    "teaching/page06.py": "CHECKS = {}\n",
    "prices.py": "WAGES = 2125\n",
    "data/results/first.json": "{}",
    "data/results/second.json": "{}",
}
NOTEBOOK = (
    "%matplotlib inline\nfrom goodharts_lib import run, load_results\nrun(load_results('first'))\n"
    'from goodharts_lib.teaching import check\ncheck("5.1", 3)\n'
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in LIBRARY.items():
        path = tmp_path / "goodharts_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def stamped(tree: Path) -> dict[str, Any]:
    cells = [{"cell_type": "code", "source": NOTEBOOK.splitlines(keepends=True)}]
    notebook: dict[str, Any] = {"cells": cells, "metadata": {}}
    notebook["metadata"][stamp.KEY] = stamp.made_from(tree, notebook)
    return notebook


def test_a_notebook_without_a_stamp_is_not_believed(tree: Path) -> None:
    notebook = stamped(tree)
    del notebook["metadata"][stamp.KEY]
    assert "the notebook's own code" in stamp.changed(tree, notebook)


@pytest.mark.parametrize(
    ("file", "old", "new", "names"),
    [
        ("tool.py", "return 1", "return 2", ["goodharts_lib.tool"]),
        ("deep/runner.py", "one()", "one() + 1", ["goodharts_lib.deep.runner"]),
        ("config.toml", "width = 3", "width = 4", ["config.toml"]),
        ("data/results/first.json", "{}", "[]", ["data/results/first.json"]),
        ("teaching/page05.py", "WAGES}", "2 * WAGES}", ["goodharts_lib.teaching.page05"]),
        ("prices.py", "2125", "2152", ["goodharts_lib.prices"]),
        ("teaching/page06.py", "{}", "{1: 1}", []),
        ("tool.py", '"""One."""', '"""Just one."""', []),
        ("tool.py", "# one", "# the first number", []),
        ("deep/runner.py", '"""Runs."""\n', '"""Runs\n\nwell."""\n\n', []),
        ("config.toml", "# a grid", "# the grid", []),
        ("unused.py", "two = 2", "two = 3", []),
        ("data/results/second.json", "{}", "[]", []),
    ],
)
def test_what_the_code_does_counts_and_its_wording_does_not(
    tree: Path, file: str, old: str, new: str, names: list[str]
) -> None:
    notebook = stamped(tree)
    assert stamp.changed(tree, notebook) == []
    path = tree / "goodharts_lib" / file
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert stamp.changed(tree, notebook) == names


def test_a_changed_cell_counts(tree: Path) -> None:
    notebook = stamped(tree)
    notebook["cells"][0]["source"].append("run(2)\n")
    assert stamp.changed(tree, notebook) == ["the notebook's own code"]


def test_the_stamp_leaves_the_rest_of_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    before = NOTEBOOKS[0].read_text(encoding="utf-8")
    path.write_text(before, encoding="utf-8")
    assert stamp.main([str(path)]) == 0
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"].pop(stamp.KEY)
    expected = json.loads(before)
    expected["metadata"].pop(stamp.KEY, None)
    assert notebook == expected
    after = set(path.read_text(encoding="utf-8").splitlines())
    lost = [line for line in before.splitlines() if line not in after]
    assert all(re.fullmatch(r'   ".+": "[0-9a-f]{12}",?', line) for line in lost), "only checksums"
