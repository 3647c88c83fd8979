"""JavaScript of others is taken from npm only as it was pinned, or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import fetch_vendor
import pytest
from fetch_vendor import PACKAGES, DamagedError, Package, UnreachableError


def archive_of(files: dict[str, bytes]) -> bytes:
    """An npm archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


ARCHIVE = archive_of({
    "dist/a.js": b"a", "dist/deep/b.js": b"b", "LICENSE": b"free", "secret.js": b"s",
    "dist/../../escape.js": b"e",
})  # fmt: skip
SUM = base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode()
SMALL = Package("@some/thing", "1.0.0", SUM, "static/vendor/thing", ("LICENSE", "dist/*"))


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """npm gives `ARCHIVE`; what was asked for is listed."""
    asked: list[str] = []

    def download(packages: tuple[Package, ...], folder: Path) -> None:
        for package in packages:
            asked.append(package.name)
            (folder / package.archive).write_bytes(ARCHIVE)

    monkeypatch.setattr(fetch_vendor, "download", download)
    return asked


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "stamp"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


WANTED = {
    "static/vendor/thing/a.js": b"a",
    "static/vendor/thing/deep/b.js": b"b",
    "static/vendor/thing/LICENSE": b"free",
}


def test_only_the_named_files_are_taken_and_only_once(tmp_path: Path, fetches: list[str]) -> None:
    vendor = tmp_path / "book" / "_vendor"
    assert fetch_vendor.fetch((SMALL,), vendor)
    assert contents(tmp_path / "book") == {f"_vendor/{name}": text for name, text in WANTED.items()}
    assert not fetch_vendor.fetch((SMALL,), vendor)
    assert fetches == ["@some/thing"]


def test_another_pin_is_fetched_anew_and_leaves_nothing_old(
    tmp_path: Path, fetches: list[str]
) -> None:
    fetch_vendor.fetch((SMALL,), tmp_path / "v")
    moved = Package("@some/thing", "1.0.1", SUM, "static/moved", ("LICENSE",))
    assert fetch_vendor.fetch((moved,), tmp_path / "v")
    assert contents(tmp_path / "v") == {"static/moved/LICENSE": b"free"}
    assert len(fetches) == 2


@pytest.mark.usefixtures("fetches")
@pytest.mark.parametrize(
    ("package", "told"),
    [
        (Package("a", "1", "AAAA", "static/a", ("LICENSE",)), "not the pinned archive"),
        (Package("a", "1", SUM, "static/a", ("LICENSE", "dist/gone.js")), "has no dist/gone.js"),
    ],
)
def test_a_wrong_archive_is_an_error_and_changes_nothing(
    tmp_path: Path, package: Package, told: str
) -> None:
    fetch_vendor.fetch((SMALL,), tmp_path / "v")
    with pytest.raises(DamagedError, match=told):
        fetch_vendor.fetch((SMALL, package), tmp_path / "v")
    assert contents(tmp_path / "v") == WANTED


def test_a_wrong_archive_ends_the_build(
    tmp_path: Path, fetches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_vendor, "ROOT", tmp_path)
    assert fetch_vendor.main() == 1
    assert fetches
    assert contents(tmp_path) == {}


def test_without_npm_the_build_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch_vendor, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    assert fetch_vendor.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fetch_vendor: WARNING: npm cannot be reached (npm is not installed)")
    assert contents(tmp_path) == {}


def test_a_registry_that_does_not_answer_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://127.0.0.1:9")
    with pytest.raises(UnreachableError):
        fetch_vendor.fetch((SMALL,), tmp_path / "v")


def test_every_pin_is_exact() -> None:
    for package in PACKAGES:
        assert len(base64.b64decode(package.sha512)) == 64, package.name
        assert package.version.replace(".", "").isdigit(), package.name
        assert package.folder.split("/")[0] in ("static", "tests"), package.name
