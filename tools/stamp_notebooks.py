"""Note in each notebook from which code its outputs come: ``stamp_notebooks.py NOTEBOOK...``.

`make notebooks` runs this after executing them; a test compares. What counts is what the code does:
comments, docstrings and layout do not. It is read, never imported.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "goodharts_lib"
KEY = "made_from"  # in the notebook's metadata
DATA = {"load_results": "data/results/*.json", "load_pretrained": "data/pretrained/*"}
CHECKED = re.compile(r"\bcheck\(\s*[\"'](\d+)\.\d+[\"']")  # check("2.1", ...), of page 2
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(content: bytes) -> str:
    """Return a short checksum."""
    return hashlib.sha256(content).hexdigest()[:12]


def code_digest(source: str) -> str:
    """Return a checksum of code without comments, docstrings and empty lines.

    Of the text, not of the syntax tree, which differs from one version of Python to the next.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno or 0
            lines[first - 1 : last] = [""] * (last - first + 1)
    return digest("\n".join(line.rstrip() for line in lines if line.strip()).encode())


def notebook_code(notebook: dict[str, Any]) -> str:
    """Return the code of a notebook as Python, without IPython's own commands."""
    lines = [
        line
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for line in [*"".join(cell["source"]).splitlines(), ""]
    ]
    return "\n".join(
        line[: len(line) - len(line.lstrip())] + "pass" if line.lstrip()[:1] in ("%", "!") else line
        for line in lines
    )


def module_file(root: Path, name: str) -> Path | None:
    """Return the file of a module of the library, or None when there is no such module."""
    base = root.joinpath(*name.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def exported(root: Path) -> dict[str, str]:
    """Return where the library keeps each name that it exports: its table _HOMES."""
    tree = ast.parse((root / LIBRARY / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            homes: dict[str, str] = ast.literal_eval(node.value)
            return {name: f"{LIBRARY}.{home}" for name, home in homes.items()}
    return {}


def imported(root: Path, source: str, homes: dict[str, str]) -> Iterator[str]:
    """Give the modules of the library that some code imports; names of attributes do no harm.

    Whoever checks an exercise imports the checks of its page.
    """
    for page in CHECKED.findall(source):
        yield f"{LIBRARY}.teaching.page{int(page):02d}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(LIBRARY))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIBRARY):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if module_file(root, inner):
                    yield inner
                elif node.module == LIBRARY:
                    yield homes.get(alias.name, LIBRARY)
                yield node.module or LIBRARY


def modules(root: Path, source: str) -> dict[str, Path]:
    """Return every module of the library that some code needs, with all that those need in turn.

    The library's own ``__init__`` is left out: it only says where names are kept.
    """
    homes, found, waiting = exported(root), {}, [source]
    while waiting:
        for name in imported(root, waiting.pop(), homes):
            path = module_file(root, name)
            if path is None or name == LIBRARY or name in found:
                continue
            found[name] = path
            waiting.append(path.read_text(encoding="utf-8"))
            package = module_file(root, name.rpartition(".")[0])
            if package is not None and package.parent.name != LIBRARY:
                found[package.parent.relative_to(root).as_posix().replace("/", ".")] = package
                waiting.append(package.read_text(encoding="utf-8"))
    return found


def data_files(root: Path, source: str) -> list[Path]:
    """Return the data files that some code loads: it names the loader, and the file as a text."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    patterns = [pattern for loader, pattern in DATA.items() if loader in source]
    files = [path for pattern in patterns for path in (root / LIBRARY).glob(pattern)]
    return [path for path in files if path.stem in texts]


def made_from(root: Path, notebook: dict[str, Any]) -> dict[str, str]:
    """Return what the outputs of a notebook depend on: a name and a checksum each."""
    code = notebook_code(notebook)
    sources = modules(root, code)
    found = {"the notebook's own code": code_digest(code)}
    for name, path in sources.items():
        found[name] = code_digest(path.read_text(encoding="utf-8"))
    if sources:
        numbers = tomllib.loads((root / LIBRARY / "config.toml").read_text(encoding="utf-8"))
        found["config.toml"] = digest(json.dumps(numbers, sort_keys=True).encode())
    for path in data_files(root, code):
        found[path.relative_to(root / LIBRARY).as_posix()] = digest(path.read_bytes())
    return dict(sorted(found.items()))


def changed(root: Path, notebook: dict[str, Any]) -> list[str]:
    """Return what has changed since the outputs were made; everything, if they bear no stamp."""
    noted, now = notebook["metadata"].get(KEY, {}), made_from(root, notebook)
    return sorted(name for name in noted.keys() | now.keys() if noted.get(name) != now.get(name))


def main(paths: list[str]) -> int:
    """Stamp each notebook; return the exit status."""
    for path in map(Path, paths):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["metadata"][KEY] = made_from(ROOT, notebook)
        text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
