"""Command: ``python -m goodharts_lib.teaching NOTEBOOK...``, which grades what students hand in.

Each notebook is run in a fresh kernel without the cells that show a solution, and what its checks
say is printed. It runs whatever the notebook contains, and believes the checks' words: for an exam,
have somebody look at the cells as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goodharts_lib.cli import Parser
from goodharts_lib.errors import UserError, run_command

ASKED = re.compile(r'\bcheck\(\s*"(\d+\.\d+)"')
SAID = re.compile(r"^Exercise (\d+\.\d+): (.+)$", re.MULTILINE)
RIGHT = "right."


def without_solutions(notebook: Any) -> Any:
    """Remove the cells that show a solution, in place, and return the notebook."""
    notebook.cells = [
        cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])
    ]
    return notebook


def verdicts(notebook: Any) -> dict[str, str]:
    """Return what the checks of an executed notebook said last, by exercise.

    An exercise whose check never spoke, because its cell failed, is there as well.
    """
    found: dict[str, str] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        failed = [out.ename for out in cell.outputs if out.output_type == "error"]
        for exercise in ASKED.findall(cell.source):
            found[exercise] = (
                f"its cell raised {failed[0]}." if failed else "its check said nothing."
            )
        printed = "".join(out.text for out in cell.outputs if out.output_type == "stream")
        found |= dict(SAID.findall(printed))
    return found


def grade(path: Path, timeout: int) -> dict[str, str]:
    """Run a notebook and return what its checks say, by exercise.

    Args:
        path: of the notebook; it is read and left as it is.
        timeout: seconds that one cell may take.

    Raises:
        UserError: there is no such notebook, or nbclient is not installed.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
    except ImportError as error:
        raise UserError('grading needs: pip install "goodharts-lib[notebooks]".') from error
    if not path.is_file():
        raise UserError(f"there is no notebook {path}.")
    try:
        notebook = without_solutions(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]
    except nbformat.reader.NotJSONError as error:
        raise UserError(f"{path} is not a notebook.") from error
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", allow_errors=True).execute()
    return verdicts(notebook)


def main(argv: Sequence[str] | None = None) -> int:
    """Grade each notebook; return 1 if anything is not right."""
    parser = Parser(prog="teaching", description="Run notebooks and say what their checks say.")
    parser.add_argument("notebook", type=Path, nargs="+", help="with answers in its stubs")
    parser.add_argument("--timeout", type=int, default=120, help="seconds that a cell may take")
    args = parser.parse_args(argv)
    wrong = 0
    for path in args.notebook:
        said = grade(path, args.timeout)
        right = sum(words == RIGHT for words in said.values())
        print(f"{path}: {right} of {len(said)} right", flush=True)
        for exercise, words in sorted(said.items(), key=lambda item: float(item[0])):
            print(f"  {exercise}  {words}", flush=True)
        wrong += len(said) - right or not said
    return int(wrong > 0)


if __name__ == "__main__":
    run_command(main)
