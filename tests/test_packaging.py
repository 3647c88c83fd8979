"""The files that say what to install, cite and publish agree with each other."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {
    name: [Requirement(line) for line in lines]
    for name, lines in PROJECT["optional-dependencies"].items()
}
EVERY = CORE + [requirement for lines in EXTRAS.values() for requirement in lines]
PINS = {
    canonicalize_name(requirement.name): requirement
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def conda_environment() -> tuple[dict[str, str], list[str]]:
    """The conda packages of environment.yml with their versions, and its pip lines."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = [re.fullmatch(r"([\w-]+)(.*)", entry) for entry in entries if isinstance(entry, str)]
    pip = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    return {match[1]: match[2] for match in conda if match}, pip


def project_files() -> list[Path]:
    """What is committed, or would be by `git add --all`."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("requirement", CORE, ids=str)
def test_binder_has_each_core_dependency_from_conda(requirement: Requirement) -> None:
    conda, _ = conda_environment()
    assert conda[CONDA_NAMES.get(requirement.name, requirement.name)] == str(requirement.specifier)


def test_binder_installs_the_package_with_an_exact_python() -> None:
    conda, pip = conda_environment()
    assert pip == ["-e .[notebooks]"]
    assert re.fullmatch(r"=3\.\d+", conda["python"])
    assert SpecifierSet(PROJECT["requires-python"]).contains(conda["python"].removeprefix("="))


@pytest.mark.parametrize("requirement", EVERY, ids=str)
def test_each_requirement_has_a_lower_bound_that_the_pin_satisfies(
    requirement: Requirement,
) -> None:
    assert any(bound.operator == ">=" for bound in requirement.specifier)
    (pin,) = PINS[canonicalize_name(requirement.name)].specifier
    assert requirement.specifier.contains(pin.version)


def test_constraints_are_exact_and_free_of_local_versions() -> None:
    for pin in PINS.values():
        (bound,) = pin.specifier
        assert bound.operator == "==", pin
        assert pin.url is None, pin
        assert Version(bound.version).local is None, pin
    assert "setuptools" in PINS


def test_torch_is_not_pinned_where_users_install_from() -> None:
    (torch,) = [requirement for requirement in CORE if requirement.name == "torch"]
    assert [bound.operator for bound in torch.specifier] == [">="]


def test_make_installs_every_extra() -> None:
    named = re.search(r"-e '\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text())
    assert named is not None
    assert sorted(named[1].split(",")) == sorted(EXTRAS)


def test_the_citation_names_the_version_of_the_library() -> None:
    source = ast.parse((ROOT / "goodharts_lib" / "__init__.py").read_text())
    (version,) = [
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["dynamic"] == ["version"]
    assert str(citation["version"]) == version


def test_no_text_file_names_a_folder_of_one_machine() -> None:
    folder = re.compile(rb"(?<![\w.:/-])/(home|root|work|Users)/")
    found = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if b"\0" not in (content := path.read_bytes()) and folder.search(content)
    ]
    assert found == []


def test_each_page_of_the_table_of_contents_exists() -> None:
    def pages(entry: object) -> list[str]:
        if isinstance(entry, dict):
            own = [entry[key] for key in ("root", "file") if key in entry]
            return own + [page for value in entry.values() for page in pages(value)]
        return [page for item in entry for page in pages(item)] if isinstance(entry, list) else []

    named = pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    assert named
    for page in named:
        assert any((ROOT / f"{page}{ending}").is_file() for ending in (".md", ".ipynb")), page


def test_each_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "goodharts_lib").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.slow
def test_the_wheel_carries_every_file_of_the_library(tmp_path: Path) -> None:
    files = [path.relative_to(ROOT).as_posix() for path in project_files()]
    wanted = {name for name in files if name.startswith("goodharts_lib/")}
    for name in [*wanted, "pyproject.toml", "LICENSE"]:
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "src" / name)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(tmp_path / "src")]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
