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
# What a check printed: a verdict may go on over several lines, up to the next one.
SAID = re.compile(r"^Exercise (\d+\.\d+): (right\.$|.+(?:\n(?!Exercise ).+)*)", re.MULTILINE)
RIGHT = "right."


def without_solutions(notebook: Any) -> Any:
    """Remove the cells that show a solution, in place, and return the notebook."""
    notebook.cells = [
        cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])
    ]
    return notebook


def verdicts(notebook: Any, reached: int | None = None, why: str = "") -> dict[str, str]:
    """Return what the checks of an executed notebook said last, by exercise.

    An exercise whose check never spoke, because its cell failed, is there as well.

    Args:
        notebook: with its outputs.
        reached: how many of its cells ended; None for all.
        why: what kept it from the others.
    """
    found: dict[str, str] = {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        asked = ASKED.findall(cell.source)
        if reached is not None and index >= reached:
            found = dict.fromkeys(asked, f"not reached: {why}.") | found
        else:
            failed = [out.ename for out in cell.outputs if out.output_type == "error"]
            silent = f"its cell raised {failed[0]}." if failed else "its check said nothing."
            found |= dict.fromkeys(asked, silent)
        printed = "".join(out.text for out in cell.outputs if out.output_type == "stream")
        found |= {name: " ".join(words.split()) for name, words in SAID.findall(printed)}
    return found


def read(path: Path) -> Any:
    """Read a notebook, without its solutions and without what it printed where it comes from.

    Raises:
        UserError: it is not a notebook, or nbclient is not installed.
    """
    nbformat = _require_nbclient()[0]
    try:
        notebook = without_solutions(nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            cell.source = str(cell.source)
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
    except OSError as error:
        raise UserError(f"cannot read the notebook {path}: {error.strerror}.") from error
    except (nbformat.ValidationError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a notebook.") from error
    return notebook


def grade(path: Path, timeout: int) -> dict[str, str]:
    """Run a notebook and return what its checks say, by exercise.

    Where a cell does not come to an end, the rest is not reached.

    Args:
        path: of the notebook; it is read and left as it is.
        timeout: seconds that one cell may take.

    Raises:
        UserError: it is not a notebook, or nbclient is not installed.
    """
    _, nbclient = _require_nbclient()
    notebook, begun = read(path), [0]
    client = nbclient.NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", allow_errors=True,
        on_cell_start=lambda cell, cell_index: begun.append(cell_index),  # noqa: ARG005
    )  # fmt: skip
    try:
        client.execute()
    except nbclient.exceptions.CellTimeoutError:
        return verdicts(notebook, begun[-1], f"a cell took longer than {timeout} seconds")
    except nbclient.exceptions.DeadKernelError:
        return verdicts(notebook, begun[-1], "a cell ended its kernel")
    return verdicts(notebook)


def _require_nbclient() -> tuple[Any, Any]:
    """Import and return ``nbformat`` and ``nbclient``."""
    try:
        import nbclient.exceptions
        import nbformat
    except ImportError as error:
        raise UserError('grading needs: pip install "goodharts-lib[notebooks]".') from error
    return nbformat, nbclient


def main(argv: Sequence[str] | None = None) -> int:
    """Grade each notebook; return 1 if anything is not right."""
    parser = Parser(prog="teaching", description="Run notebooks and say what their checks say.")
    parser.add_argument("notebook", type=Path, nargs="+", help="with answers in its stubs")
    parser.add_argument("--timeout", type=int, default=120, help="seconds that a cell may take")
    args = parser.parse_args(argv)
    if args.timeout < 1:
        raise UserError(f"--timeout must be at least 1, not {args.timeout}.")
    for path in args.notebook:
        if not path.is_file():
            raise UserError(f"there is no notebook {path}.")
    _require_nbclient()
    wrong = 0
    for path in args.notebook:
        try:
            said = grade(path, args.timeout)
        except UserError as error:  # of a whole class, one file is damaged
            print(f"{path}: 0 right; {error}", flush=True)
            wrong += 1
            continue
        right = sum(words == RIGHT for words in said.values())
        print(f"{path}: {right} of {len(said)} right", flush=True)
        for exercise, words in sorted(said.items(), key=lambda item: float(item[0])):
            print(f"  {exercise}  {words}", flush=True)
        wrong += len(said) - right or not said
    return int(wrong > 0)


if __name__ == "__main__":
    run_command(main)
