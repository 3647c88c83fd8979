"""Write the repository's address wherever it stands: ``set_repository.py [OWNER/NAME]``.

Without a name it is that of the remote ``origin``. What stands there now is read from the address
in pyproject.toml, so the same command also serves when the repository moves.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from goodhart_address import NAME, repository_name  # noqa: E402 - lies beside the extension

FILES = ("pyproject.toml", "README.md", "CITATION.cff", "CONTRIBUTING.md")


def places(root: Path) -> list[Path]:
    """Return the files that may name the repository."""
    named = [root / name for name in FILES]
    found = [*named, *root.glob("notebooks/*.ipynb"), *root.glob("book/*.md")]
    return sorted(path for path in found if path.is_file())


def current(root: Path) -> str:
    """Return ``owner/name`` as pyproject.toml has it; a fresh copy says OWNER/REPOSITORY."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address: str = project["urls"]["Repository"]
    return address.removeprefix("https://github.com/")


def rewrite(root: Path, name: str) -> list[Path]:
    """Put `name` wherever the present name stands on its own; return the files that changed."""
    old = re.compile(rf"(?<![\w.-]){re.escape(current(root))}(?![\w-]|\.(?!git\b)\w)")
    changed = []
    for path in places(root):
        text = path.read_text(encoding="utf-8")
        if (renamed := old.sub(name, text)) != text:
            path.write_text(renamed, encoding="utf-8")
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int:
    """Rewrite this checkout; return the exit status."""
    name = arguments[0] if arguments else repository_name(ROOT)
    if name is None:
        told = "there is no GitHub remote 'origin'; say REPOSITORY=owner/name"
    elif not NAME.fullmatch(name):
        told = f"'{name}' is not of the form owner/name"
    else:
        changed = rewrite(ROOT, name)
        for path in changed:
            print(f"set_repository: {path.relative_to(ROOT)} now names {name}.")
        if not changed:
            print(f"set_repository: nothing to do, all files name {name} already.")
        return 0
    print(f"set_repository: {told}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
