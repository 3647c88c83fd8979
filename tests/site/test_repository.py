"""The repository has one address, wherever it stands, and one command changes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import goodhart_address
import goodhart_book
import pytest
import set_repository

ROOT = Path(__file__).resolve().parents[2]


def named_in(root: Path) -> dict[str, set[str]]:
    """For each file, the repositories in the addresses that pip, Colab, Binder and readers use."""
    address = re.compile(
        r"(?:git\+https://github\.com/|colab\.research\.google\.com/github/|mybinder\.org/v2/gh/"
        r"|Repository = \"https://github\.com/|repository-code: \"?https://github\.com/)"
        r"([\w.-]+/[\w.-]+?)(?:\.git)?(?=[/@\"\\\s?]|$)",
        re.MULTILINE,
    )
    return {
        path.relative_to(root).as_posix(): set(address.findall(path.read_text(encoding="utf-8")))
        for path in set_repository.places(root)
    }


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in [*set_repository.places(ROOT), *(ROOT / "tools").glob("*.py"),
                 *(ROOT / "book" / "_ext").glob("*.py")]:  # fmt: skip
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "tools" / "set_repository.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def test_all_places_agree() -> None:
    named = named_in(ROOT)
    assert set().union(*named.values()) == {set_repository.current(ROOT)}
    lacking = [name for name in named if name.endswith(".ipynb") and not named[name]]
    assert not lacking, "Colab needs the address in each notebook's first cell"


def test_one_command_changes_every_place_and_a_second_time_nothing(copy: Path) -> None:
    before = named_in(copy)
    assert run(copy, "Alice/trap-lab").returncode == 0
    after = named_in(copy)
    assert after == {name: {"Alice/trap-lab"} if found else set() for name, found in before.items()}
    texts = [path.read_bytes() for path in set_repository.places(copy)]
    again = run(copy, "Alice/trap-lab")
    assert "nothing to do" in again.stdout
    assert texts == [path.read_bytes() for path in set_repository.places(copy)]


def test_only_the_address_itself_is_changed(copy: Path) -> None:
    old = set_repository.current(copy)
    (copy / "README.md").write_text(f"{old} {old}-data x{old} {old}.git {old}.\n", encoding="utf-8")
    set_repository.rewrite(copy, "a/b")
    kept = (copy / "README.md").read_text(encoding="utf-8")
    assert kept == f"a/b {old}-data x{old} a/b.git a/b.\n"


@pytest.mark.parametrize("wrong", ["trap-lab", "a/b/c", "a b/c", "https://github.com/a/b"])
def test_a_name_of_another_form_is_refused(copy: Path, wrong: str) -> None:
    before = [path.read_bytes() for path in set_repository.places(copy)]
    done = run(copy, wrong)
    assert done.returncode == 2
    assert "owner/name" in done.stderr
    assert before == [path.read_bytes() for path in set_repository.places(copy)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BOOK_REPOSITORY_URL", "GITHUB_REPOSITORY", "BOOK_SITE_URL"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def add_remote(checkout: Path, url: str) -> None:
    subprocess.run(["git", "-C", str(checkout), "remote", "add", "origin", url], check=True)


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("git@github.com:Alice/trap.git", "Alice/trap"),
        ("https://github.com/alice/trap", "alice/trap"),
        ("https://token@github.com/alice/trap.git/", "alice/trap"),
        ("ssh://git@github.com/alice/trap.git", "alice/trap"),
        ("https://example.org/alice/trap", None),
        ("../elsewhere/trap", None),
    ],
)
def test_the_remote_tells_the_repository(checkout: Path, remote: str, name: str | None) -> None:
    assert goodhart_address.repository_name(checkout) is None
    add_remote(checkout, remote)
    assert goodhart_address.repository_name(checkout) == name


def test_the_environment_goes_before_the_remote(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_remote(checkout, "git@github.com:alice/trap.git")
    monkeypatch.setenv("GITHUB_REPOSITORY", "carol/fork")
    assert goodhart_address.repository_name(checkout) == "carol/fork"
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://github.com/bob/other")
    assert goodhart_address.repository_name(checkout) == "bob/other"


@pytest.mark.parametrize("name", [None, "alice/trap"])
def test_buttons_lead_to_this_repository_or_are_left_out(name: str | None) -> None:
    buttons = {"binderhub_url": "https://mybinder.org"}
    elsewhere = {"repository_url": "https://github.com/some/default", "repository_branch": "master"}
    config = SimpleNamespace(html_theme_options={"launch_buttons": buttons, **elsewhere})
    goodhart_book.point_to_repository(config, name)
    options = config.html_theme_options
    assert options.get("repository_url") == (name and "https://github.com/alice/trap")
    assert ("launch_buttons" in options) is (name is not None)
    assert options.get("use_repository_button", False) is (name is not None)


def test_the_site_lies_where_github_pages_puts_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert goodhart_address.site_url(checkout) is None
    monkeypatch.setenv("GITHUB_REPOSITORY", "Alice/Trap")
    assert goodhart_address.site_url(checkout) == "https://alice.github.io/Trap/"
    monkeypatch.setenv("GITHUB_REPOSITORY", "Alice/alice.github.io")
    assert goodhart_address.site_url(checkout) == "https://alice.github.io/"
    monkeypatch.setenv("BOOK_SITE_URL", "https://trap.example.org")
    assert goodhart_address.site_url(checkout) == "https://trap.example.org/"
