"""What this book adds to Jupyter Book: a directive, and settings known only at build time."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any, ClassVar

import goodhart_pages
from docutils import nodes
from docutils.statemachine import StringList
from goodhart_address import repository_name, site_url
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

WIDGET_SCRIPTS = (  # in this order
    "vendor/requirejs/require.js",
    "widgets-require-config.js",
    "vendor/html-manager/embed-amd.js",
)


def class_docstring(source: str, name: str) -> str | None:
    """Return the docstring of the top-level class `name`, without importing anything.

    Its arguments and errors, with which it ends, are left to the library's reference.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n\nArgs:\n")[0]
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


def configure(app: Sphinx, config: Config) -> None:
    """Settle what is known only now: the addresses, and which JavaScript was fetched."""
    point_to_repository(config, repository_name(app.srcdir))
    config.html_theme_options["logo"] = {"text": config.html_title, "alt_text": "Home"}
    config.html_theme_options["navbar_persistent"] = []  # newer themes show a second search bar
    config.html_baseurl = site_url(app.srcdir) or ""
    # Not a folder _static at the root: Jupyter Book would put each of its scripts on every page.
    config.html_static_path.append("book/_static")
    if Path(app.srcdir, "book", "_vendor", "stamp").is_file():  # otherwise other hosts are asked
        config.html_static_path.append("book/_vendor/static")
        config.mathjax_path = "vendor/mathjax/es5/tex-mml-chtml.js"
        config.nb_ipywidgets_js = {script: {} for script in WIDGET_SCRIPTS}


def point_to_repository(config: Config, name: str | None) -> None:
    """Point launch and repository buttons at this repository, or leave them out."""
    options = config.html_theme_options
    if name:
        options["repository_url"] = f"https://github.com/{name}"
        options["repository_branch"] = os.environ.get("BOOK_REPOSITORY_BRANCH") or "main"
        options["use_repository_button"] = options["use_issues_button"] = True
    else:  # otherwise Jupyter Book links to a repository of its own
        for key in ("launch_buttons", "repository_url", "repository_branch"):
            options.pop(key, None)


def page_context(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    """Describe the page, leave out Thebe, which names another host, and let readers choose dark."""
    for kind in ("script_files", "css_files"):
        files = context.get(kind, [])
        context[kind] = [file for file in files if "thebe" not in file_text(file).lower()]
    context["default_mode"] = context.get("default_mode") or "auto"
    if tree is not None:
        title, text = app.env.titles[page].astext(), goodhart_pages.description(tree)
        site = app.config.html_baseurl or None
        tags = goodhart_pages.meta_tags(title, text, site, f"{page}.html")
        context["metatags"] = f"{context.get('metatags', '')}\n{tags}"


def terms_are_targets(app: Sphinx, tree: nodes.document) -> None:
    """Let a page link to a term as `glossary.md#term-NAME`, as a notebook can on a laptop too."""
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for term in tree.findall(nodes.term):
        slugs.update({name: (term.line, name, term.astext()) for name in term["ids"]})


def file_text(file: Any) -> str:
    """Return what identifies a script or style sheet: its name and, for inline ones, its source."""
    attributes = getattr(file, "attributes", {})
    return f"{getattr(file, 'filename', None) or file} {attributes.get('body') or ''}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("class-docstring", ClassDocstring)
    app.connect("config-inited", configure, priority=100)
    app.connect("doctree-read", terms_are_targets)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("build-finished", goodhart_pages.finish, priority=900)
    app.add_css_file("goodhart.css", priority=900)
    app.add_js_file("wide.js", loading_method="defer")
    return {"version": "0.1", "parallel_read_safe": True, "parallel_write_safe": True}
