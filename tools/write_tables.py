"""Write the tables of the book's Markdown pages afresh: ``python tools/write_tables.py [--check]``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; what it says is read from the
library, its configuration, its tree, or a stored measurement, and typed nowhere.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from claims import claims_table

from goodharts_lib import load_config, load_results
from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.modes import MODES, channel_names
from goodharts_lib.networks.registry import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
SPEEDS = {  # what `make bench` calls a line: what the page calls it
    "(a) Training base_cnn, beside stable-baselines3 with the same net and settings": {
        "this library": "training `base_cnn`, 2 threads",
        "stable-baselines3 (float32, threads: 2)": "the same in stable-baselines3, float32",
    },
    "(c) Training small_cnn": {
        "1 thread": "training `small_cnn`, 1 thread",
        "all threads (2)": "training `small_cnn`, 2 threads",
    },
    "(d) The world alone, 64 worlds, random actions": {"the world": "the world alone, 64 worlds"},
}


def rows(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def modes() -> str:
    """Return the four modes: what each sees and is paid."""
    return rows(
        ["mode", "sees", "is paid"],
        [[f"`{mode.name}`", mode.sees, mode.is_paid] for mode in MODES.values()],
    )


def channels() -> str:
    """Return what a view's channels hold, by what an agent sees."""
    names = {mode.sees: channel_names(mode) for mode in MODES.values()}
    body = [[sees, ", ".join(f"{i} {name}" for i, name in enumerate(found))]
            for sees, found in names.items()]  # fmt: skip
    return rows(["sees", "channels"], body)


def actions() -> str:
    """Return the eight moves."""
    body = [
        [str(i), f"({a.dx}, {a.dy})".replace("-", "−"), f"{a.arrow} {a.name}"]
        for i, a in enumerate(ACTIONS)
    ]
    return rows(["index", "(dx, dy)", "move"], body)


def settings() -> str:
    """Return every setting of ``[training]`` with its value and its reason."""
    text = (ROOT / "goodharts_lib/config.toml").read_text(encoding="utf-8")
    part = text.split("[training]\n")[1].split("\n[")[0]
    body: list[list[str]] = []
    for line in part.strip().splitlines():
        setting, _, reason = line.partition("#")
        key, value = (side.strip() for side in setting.split("="))
        body.append([f"`{key}`", f"`{value}`", reason.strip()])
    return rows(["setting", "default", "what it is"], body)


def layers(name: str) -> list[str]:
    """Return one network's layers and number of parameters, for its row of `networks`."""
    network = NETWORKS[name].build(len(Cell), load_config().agent.view_size)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    maps = [str(shape[0]) for shape in shapes if len(shape) == 4]
    hidden, flat = shapes[-2]
    count = sum(p.numel() for p in network.parameters())
    return [f"`{name}`", ", ".join(maps), f"{flat:,}", str(hidden), f"{count:,}",
            f"{NETWORKS[name].learning_rate:g}"]  # fmt: skip


def networks() -> str:
    """Return the networks layer by layer."""
    header = ["network", "channels of its 3×3 convolutions", "flattened", "features", "parameters",
              "learning rate"]  # fmt: skip
    return rows(header, [layers(name) for name in NETWORKS])


def speeds() -> str:
    """Return the speeds of `benchmarks/measured.json`, which ``make bench`` wrote.

    Beside each stands how long 100,000 steps take.
    """
    path = ROOT / "benchmarks/measured.json"
    measured = json.loads(path.read_text(encoding="utf-8"))["sections"]
    body = []
    for section, names in SPEEDS.items():
        values = {line["name"]: line["value"] for line in measured[section]}
        for name, said in names.items():
            digits = 10 ** max(0, len(str(int(values[name]))) - 2)  # two digits that matter
            seconds = 100_000 / values[name]
            takes = f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
            body.append([said, f"{round(values[name] / digits) * digits:,}", takes])
    return rows(["what", "steps per second", "100,000 steps take"], body)


def files() -> str:
    """Return every module of the training part with the first line of its docstring."""
    body = []
    for path in sorted((ROOT / "goodharts_lib/training").rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if text and path.name != "__init__.py":
            name = path.relative_to(ROOT / "goodharts_lib/training").as_posix()
            first = text.splitlines()[0].replace("``", "`").replace("|", "\\|")
            body.append([f"`{name}`", first])
    return rows(["file in `goodharts_lib/training/`", "what it is"], body)


def claims() -> str:
    """Return what the book claims about training."""
    return claims_table(load_results)


TABLES: Mapping[str, Callable[[], str]] = {
    table.__name__: table
    for table in (modes, channels, actions, settings, networks, speeds, files, claims)
}  # fmt: skip


def filled(text: str) -> str:
    """Return a page's text with its tables written afresh.

    Raises:
        UserError: a table is not known.
    """

    def write(block: re.Match[str]) -> str:
        if block[2] not in TABLES:
            raise UserError(f"there is no table {block[2]!r}; there are {', '.join(TABLES)}.")
        return f"{block[1]}{TABLES[block[2]]()}\n{block[3]}"

    return BLOCK.sub(write, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or with ``--check`` say which pages are out of date; return the status."""
    parser = argparse.ArgumentParser(description="Write the tables of the book's pages afresh.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(argv).check
    stale = []
    for path in sorted((ROOT / "book").rglob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = filled(old)
        if new != old:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8")
    print(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'none'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    run_command(main)
