"""Where the repository and the published site are, as far as that is known when it is asked.

Standard library only: the Sphinx extension and tools/set_repository.py both ask here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

GITHUB = re.compile(r"(?:https?://(?:[^@/]+@)?|ssh://git@|git@)github\.com[:/](.+?)(?:\.git)?/?$")
NAME = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")


def repository_name(root: Path | str) -> str | None:
    """Return ``owner/name`` of the GitHub repository, or None when it is unknown.

    In this order: the variable BOOK_REPOSITORY_URL, the variable GITHUB_REPOSITORY, which GitHub
    sets in its workflows, and the remote ``origin`` of the checkout at `root`.
    """
    url, git = os.environ.get("BOOK_REPOSITORY_URL", ""), shutil.which("git")
    if not url and "GITHUB_REPOSITORY" in os.environ:
        url = f"https://github.com/{os.environ['GITHUB_REPOSITORY']}"
    if not url and git:
        command = [git, "-C", str(root), "remote", "get-url", "origin"]
        url = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed command
    match = GITHUB.match(url)
    return match[1] if match and NAME.fullmatch(match[1]) else None


def site_url(root: Path | str) -> str | None:
    """Return the address of the published site, with a slash at the end, or None when unknown.

    The variable BOOK_SITE_URL, or else the place where GitHub Pages puts the repository's site.
    """
    given, name = os.environ.get("BOOK_SITE_URL", ""), repository_name(root)
    if given:
        return given.rstrip("/") + "/"
    if name is None:
        return None
    owner, repository = name.lower().split("/")[0], name.split("/")[1]
    host = f"{owner}.github.io"
    return f"https://{host}/" if repository.lower() == host else f"https://{host}/{repository}/"
