"""What this book adds to Jupyter Book: a directive, and settings known only at build time."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

GITHUB = re.compile(r"(?:https?://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/](.+?)(?:\.git)?/?$")


def class_docstring(source: str, name: str) -> str | None:
    """Return the docstring of the top-level class `name`, without importing anything."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ast.get_docstring(node)
    return None


class ClassDocstring(SphinxDirective):
    """`{class-docstring} FILE CLASS` puts a class docstring on the page, as Markdown.

    FILE is relative to the book's root. Headings in the docstring start at `##`, because the page
    has its own title; what follows the directive on the page should start with a heading too.
    """

    required_arguments = 2
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Parse the docstring straight into the page, so that its headings become sections."""
        file, name = self.arguments
        path = Path(self.env.srcdir, file)
        if not path.is_file():
            raise self.error(f"class-docstring: there is no file {file}")
        text = class_docstring(path.read_text(encoding="utf-8"), name)
        if not text:
            raise self.error(f"class-docstring: {file} has no class {name} with a docstring")
        self.env.note_dependency(str(path))
        lines = StringList(text.splitlines(), source=str(path))
        self.state.nested_parse(lines, 0, self.state_machine.node, match_titles=True)
        return []


def repository_url(srcdir: str) -> str | None:
    """Return the GitHub address from the environment or the git remote, or None when unknown."""
    url = os.environ.get("BOOK_REPOSITORY_URL", "")
    if not url and "GITHUB_REPOSITORY" in os.environ:
        url = f"https://github.com/{os.environ['GITHUB_REPOSITORY']}"
    git = shutil.which("git")
    if not url and git:
        command = [git, "-C", srcdir, "remote", "get-url", "origin"]
        url = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed command
    match = GITHUB.match(url)
    return f"https://github.com/{match[1]}" if match else None


def configure(app: Sphinx, config: Config) -> None:
    """Point launch and repository buttons at this repository, or leave them out."""
    options = config.html_theme_options
    url = repository_url(str(app.srcdir))
    if url:
        options["repository_url"] = url
        options["repository_branch"] = os.environ.get("BOOK_REPOSITORY_BRANCH", "main")
        options["use_repository_button"] = options["use_issues_button"] = True
    else:  # otherwise Jupyter Book links to a repository of its own
        for key in ("launch_buttons", "repository_url", "repository_branch"):
            options.pop(key, None)
    options["logo"] = {"text": config.html_title}
    options["navbar_persistent"] = []  # newer themes would show a second search bar


def page_context(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: nodes.document | None
) -> None:
    """Leave out Thebe, which names another host on every page, and follow the reader's colours."""
    context["script_files"] = [
        file for file in context.get("script_files", []) if "thebe" not in script_text(file).lower()
    ]
    context["default_mode"] = context.get("default_mode") or "auto"


def script_text(file: Any) -> str:
    """Return what identifies a script: its file name and, for inline ones, its source."""
    attributes = getattr(file, "attributes", {})
    return f"{getattr(file, 'filename', None) or file} {attributes.get('body') or ''}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("class-docstring", ClassDocstring)
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", page_context, priority=900)
    return {"version": "0.1", "parallel_read_safe": True, "parallel_write_safe": True}
