"""Fetch the JavaScript that the site serves itself, so that readers' browsers ask no other host.

The packages come from npm when the book is built; none is committed. Each archive must have the
checksum in `PACKAGES`; a wrong one is an error. Without npm the book builds all the same, with the
links to other hosts that Jupyter Book has by default, and one line says so.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 120  # seconds, for all packages together


@dataclass(frozen=True)
class Package:
    """What to take from one npm package.

    Attributes:
        name: on npm.
        version: exactly this one.
        sha512: of the archive, in base64, as npm states it.
        folder: where its files go, inside the vendor folder.
        files: patterns of what is taken; a leading folder "dist" is dropped.
    """

    name: str
    version: str
    sha512: str
    folder: str
    files: tuple[str, ...]

    @property
    def archive(self) -> str:
        """The file name that npm gives the archive."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


# What is in static/ ends in the site's _static/; what is in tests/ does not.
PACKAGES = (
    Package(
        "mathjax", "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        "static/vendor/mathjax",
        ("LICENSE", "es5/tex-mml-chtml.js", "es5/output/chtml/fonts/*",
         "es5/input/tex/extensions/*", "es5/ui/*", "es5/a11y/*"),
    ),
    Package(
        "requirejs", "2.3.8",
        "7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
        "static/vendor/requirejs",
        ("require.js",),
    ),
    Package(
        "@jupyter-widgets/html-manager", "1.0.15",
        "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        "static/vendor/html-manager",
        ("dist/embed.js.LICENSE.txt", "dist/embed-amd.js", "dist/*.woff2"),
    ),
    Package(
        "anywidget", "0.11.0",
        "LHZgW2j5UjyerZSZcO+BtZPXGMSORQV2bUT480hOR5x/BXS8sOradi/71amJfMueSEnKX0dqPwTfsOGHTsyZpQ==",
        "static/vendor/anywidget",
        ("LICENSE", "dist/index.js"),
    ),
    Package(
        "axe-core", "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "tests/axe",
        ("LICENSE", "axe.min.js"),
    ),
)  # fmt: skip


class UnreachableError(Exception):
    """No archive could be had."""


class DamagedError(Exception):
    """An archive is not the one that was pinned."""


def download(packages: tuple[Package, ...], folder: Path) -> None:
    """Put the archives into `folder`, from the registry that npm on this machine uses.

    Without npm the registry is the one that the variable NPM_CONFIG_REGISTRY names.

    Raises:
        UnreachableError: there is no registry, or it does not answer.
    """
    npm, registry = shutil.which("npm"), os.environ.get("NPM_CONFIG_REGISTRY", "").rstrip("/")
    try:
        if npm:
            named = [f"{package.name}@{package.version}" for package in packages]
            command = [npm, "pack", "--silent", "--pack-destination", str(folder), *named]
            subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=TIMEOUT)
        elif registry.startswith("https://"):
            for package in packages:
                file = f"{PurePosixPath(package.name).name}-{package.version}.tgz"
                url = f"{registry}/{package.name}/-/{file}"
                with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - https
                    (folder / package.archive).write_bytes(answer.read())
        else:
            raise UnreachableError("npm is not installed")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["npm gave up"]
        raise UnreachableError(lines[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(str(error)) from error


def verify(package: Package, archive: Path) -> None:
    """Compare an archive with its pinned checksum.

    Raises:
        DamagedError: it is another file.
    """
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise DamagedError(
            f"{package.name} {package.version} is not the pinned archive: its sha512 is {found}"
        )


def unpack(package: Package, archive: Path, folder: Path) -> None:
    """Write the wanted files of an archive below `folder`.

    Raises:
        DamagedError: it lacks a wanted file.
    """
    missing = set(package.files)
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])  # all lie in "package/"
            matched = {pattern for pattern in package.files if fnmatchcase(str(path), pattern)}
            content = tar.extractfile(member) if member.isfile() and matched else None
            if content is None or ".." in path.parts:
                continue
            missing -= matched
            inner = path.relative_to("dist") if path.parts[0] == "dist" else path
            target = folder / package.folder / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
    if missing:
        raise DamagedError(f"{package.name} {package.version} has no {', '.join(sorted(missing))}")


def fetch(packages: tuple[Package, ...], vendor: Path) -> bool:
    """Fill the vendor folder, unless it already holds just these packages.

    It is replaced as a whole, or not at all.

    Returns:
        Whether anything was fetched.

    Raises:
        UnreachableError: the archives cannot be had.
        DamagedError: one is not what it should be.
    """
    stamp = hashlib.sha256(repr(packages).encode()).hexdigest()
    noted = vendor / "stamp"
    if noted.is_file() and noted.read_text(encoding="ascii") == stamp:
        return False
    vendor.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=vendor.parent, prefix="_vendor.") as temporary:
        archives, fresh = Path(temporary, "archives"), Path(temporary, "fresh")
        archives.mkdir()
        download(packages, archives)
        for package in packages:
            verify(package, archives / package.archive)
            unpack(package, archives / package.archive, fresh)
        (fresh / "stamp").write_text(stamp, encoding="ascii")
        shutil.rmtree(vendor, ignore_errors=True)
        fresh.rename(vendor)
    return True


def main() -> int:
    """Fetch into book/_vendor; return the exit status."""
    try:
        fetched = fetch(PACKAGES, ROOT / "book" / "_vendor")
    except DamagedError as error:
        print(f"fetch_vendor: {error}. Nothing was unpacked.", file=sys.stderr)
        return 1
    except UnreachableError as error:
        print(
            f"fetch_vendor: WARNING: npm cannot be reached ({error}). Pages with formulas or"
            " widgets will ask other hosts for JavaScript until `make book` can fetch it.",
            file=sys.stderr,
        )
        return 0
    if fetched:
        names = ", ".join(f"{package.name} {package.version}" for package in PACKAGES)
        print(f"Fetched from npm into book/_vendor: {names}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
