"""The library's reference: what sphinx-autoapi reads from the source, with the comments beside it.

autoapi finds docstrings. Fields of records and constants have none in this library, but a comment
on their line; here that comment becomes part of the reference. Nothing is imported.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment

# A class whose docstring is a page of the book: the reference points there.
PAGES = {"goodharts_lib.environments.vec_env.VecEnv": "/book/world"}
LONGEST = 44  # characters of a constant's value; a longer one says nothing on a page


def modules(text: str) -> set[str]:
    """Return the modules of which a page shows anything.

    Most are shown whole. A package that exports a function under the name of its own module hides
    the module; then the page names its functions.
    """
    whole = re.findall(r"^\.\. autoapimodule:: (\S+)", text, re.MULTILINE)
    return {*whole, *re.findall(r"^\.\. autoapifunction:: (\S+)\.\w+", text, re.MULTILINE)}


def choose(app: Sphinx, config: Config) -> None:
    """Have autoapi read the modules that the pages name, and no others: it takes a while."""
    root = Path(app.srcdir)
    pages = [page.read_text(encoding="utf-8") for page in (root / "book" / "api").glob("*.md")]
    named = modules("\n".join(pages))
    for path in (root / "goodharts_lib").rglob("*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        if path.name != "__init__.py" and module not in named:
            config.autoapi_ignore.append(str(path))


def comments(source: str) -> dict[int, str]:
    """Return the comments that follow code on its line, by line number."""
    lines = source.splitlines()
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT and lines[row - 1][:column].strip():
            text = token.string.lstrip("# ")
            if not text.startswith(("noqa", "type:", "fmt:")):
                found[row] = text
    return found


def _named(body: list[ast.stmt]) -> Iterator[tuple[str, int, ast.expr | None, str]]:
    """Yield each public name that a body assigns: name, line, value, and its declared type."""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, value, kind = node.target.id, node.value, ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value, kind = node.targets[0].id, node.value, ""
        else:
            continue
        if not name.startswith("_"):
            yield name, node.lineno, value, kind


def constants(source: str) -> dict[str, str]:
    """Return the comment on each public constant of a module that has one, and a table's keys."""
    told = comments(source)
    return {
        name: told[line] + _keys(value)
        for name, line, value, _ in _named(ast.parse(source).body)
        if line in told
    }


def _keys(value: ast.expr | None) -> str:
    """Return the names in a table by name, as the end of its description."""
    keys = value.keys if isinstance(value, ast.Dict) else []
    names = [key.value for key in keys if isinstance(key, ast.Constant)]
    return ": " + ", ".join(f"``{name}``" for name in names) if names else ""


def fields(source: str) -> dict[str, list[str]]:
    """Return, for each class, a line of reStructuredText for each of its public fields."""
    told, known = comments(source), aliases(source)
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = [
                f":ivar {name}: {_described(told.get(line, ''), known.get(kind, kind), value)}"
                for name, line, value, kind in _named(node.body)
            ]
    return found


def aliases(source: str) -> dict[str, str]:
    """Return the type aliases of a module, each with what it stands for."""
    return {
        name: ast.unparse(value)
        for name, _, value, kind in _named(ast.parse(source).body)
        if kind in ("", "TypeAlias") and value is not None and not name.isupper()
    }


def _described(comment: str, kind: str, value: ast.expr | None) -> str:
    """Return what is known of a field: its type or its value as code, and its comment."""
    kind = re.sub(r"Annotated\[(\w+), (Range.*)\]", r"\1``, ``\2", kind)
    known = kind or (ast.unparse(value) if value is not None else "")
    code = f"``{known}``" if known else ""
    return ": ".join(part for part in (code, comment) if part)


def complete(app: Sphinx) -> None:
    """Add fields, constants and links to what autoapi has read; runs right after it."""
    objects: dict[str, Any] = app.env.autoapi_all_objects
    app.env.goodhart_aliases = {}
    for found in objects.values():
        found.docstring = _one_by_one(_without_types(found.docstring))
    for module in [found for found in objects.values() if "file_path" in found.obj]:
        shown = [found for found in module.children if not found.imported and found.name != "main"]
        module.children[:] = shown
        source = Path(module.obj["file_path"]).read_text(encoding="utf-8")
        told, described = constants(source), fields(source)
        app.env.goodhart_aliases |= aliases(source)
        for child in module.children:
            if child.type == "data":
                child.docstring = child.docstring or told.get(child.name, "")
                if len(str(child.value)) > LONGEST:
                    child.value = None
            elif child.type in ("class", "exception") and ":ivar " not in child.docstring:
                child.docstring += "\n" + "\n".join(described.get(child.name, [])) + "\n"
    for found in objects.values():  # autoapi shows what has no docstring, too
        found.children[:] = [
            child for child in found.children if child.docstring.strip() or child.name == "__init__"
        ]
    for name, page in PAGES.items():
        if name in objects:
            objects[name].docstring = _pointing(objects[name].docstring, page)


def _pointing(docstring: str, page: str) -> str:
    """Return a docstring's first line and its fields, with a link in place of the rest."""
    lines = docstring.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(":"))
    return "\n".join([lines[0], "", f"All of it: :doc:`{page}`.", "", *lines[first:], ""])


def _without_types(docstring: str) -> str:
    """Give back to the text what napoleon took for a type: here all types are annotations."""
    docstring = re.sub(
        r":returns: (.*?)\n:rtype: ([^\n]*)", r":returns: \2: \1", docstring, flags=re.DOTALL
    )
    return re.sub(r"\A(.*?)\n+:type: ([^\n]*)\s*\Z", r"\2: \1\n", docstring, flags=re.DOTALL)


def _one_by_one(docstring: str) -> str:
    """Give each name of ``:param a, b: text`` its own field: Sphinx would take a for a type."""

    def split(match: re.Match[str]) -> str:
        names = match[2].split(", ")
        return "".join(f":{match[1]} {name}: {match[3]}" for name in names)

    field = r"^:(param|ivar) (\w+(?:, \w+)+): (.*\n(?:[ \t]+.*\n)*)"
    return re.sub(field, split, docstring, flags=re.MULTILINE)


def explain_alias(
    app: Sphinx, _env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Show what an alias of ours stands for, in place of a link to a type that is none."""
    name = node.get("reftarget", "").rsplit(".", 1)[-1]
    meaning = app.env.goodhart_aliases.get(name)
    if node.get("refdomain") != "py" or meaning is None:
        return None
    return nodes.abbreviation("", "", text, explanation=meaning)


def say_fields() -> None:
    """Call the fields of a record so; Sphinx would call them variables."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Fields"


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    say_fields()
    app.connect("config-inited", choose)
    app.connect("builder-inited", complete, priority=600)
    app.connect("missing-reference", explain_alias)
