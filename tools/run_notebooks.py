"""Execute notebooks in place: ``run_notebooks.py NOTEBOOK...``.

Each is run from top to bottom in a fresh kernel. Its metadata then say how many seconds that took,
its sentence on the running time says the same, and a stamp says from which code its outputs come
(see `stamp_notebooks`). A notebook that raises is left as it was.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from stamp_notebooks import KEY, ROOT, made_from

from goodharts_lib.errors import UserError, run_command

CELL_TIMEOUT = 600  # seconds
RUNNING = re.compile(r"^Running: about \d+ seconds? on \w+ CPU cores?\.$", re.MULTILINE)
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")  # counts of cores


def running(seconds: float, cores: int) -> str:
    """Return a page's sentence on its running time, rounded to 5 seconds from 15 on."""
    about = max(1, round(seconds))
    if about >= 15:
        about = 5 * round(seconds / 5)
    number = WORDS[cores] if cores < len(WORDS) else str(cores)
    return (f"Running: about {about} second{'s' * (about != 1)} "
            f"on {number} CPU core{'s' * (cores != 1)}.")  # fmt: skip


def run(path: Path) -> float:
    """Execute one notebook and write it back; return the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False,
        store_widget_state=False, resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    start = time.monotonic()
    client.execute()
    seconds = time.monotonic() - start
    notebook.metadata["goodharts"] = {"seconds": round(seconds)}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = RUNNING.sub(running(seconds, os.cpu_count() or 1), cell.source)
    plain = json.loads(nbformat.writes(notebook))
    notebook.metadata[KEY] = made_from(ROOT, plain)
    whole = path.with_suffix(".unfinished")
    nbformat.write(notebook, whole)
    whole.replace(path)
    return seconds


def main(paths: list[str]) -> int:
    """Execute each notebook; return the exit status.

    Raises:
        UserError: one of them is not there; then none is executed.
    """
    for path in paths:
        if not Path(path).is_file():
            raise UserError(f"there is no notebook {path}.")
    for path in map(Path, paths):
        print(f"{path}: {run(path):.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
