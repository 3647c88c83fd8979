"""Execute notebooks in place: ``run_notebooks.py NOTEBOOK...``.

Each is run from top to bottom in a fresh kernel. Its metadata then say how many seconds that took,
which the page states, and from which code its outputs come (see `stamp_notebooks`). A notebook that
raises is left as it was.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from stamp_notebooks import KEY, ROOT, made_from

CELL_TIMEOUT = 600  # seconds


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
    plain = json.loads(nbformat.writes(notebook))
    notebook.metadata[KEY] = made_from(ROOT, plain)
    whole = path.with_suffix(".unfinished")
    nbformat.write(notebook, whole)
    whole.replace(path)
    return seconds


def main(paths: list[str]) -> int:
    """Execute each notebook; return the exit status."""
    for path in map(Path, paths):
        print(f"{path}: {run(path):.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
