"""Files that are lost to nobody: folders are tried before the work, files written whole or not."""

from __future__ import annotations

import os
from pathlib import Path

from goodharts_lib.errors import UserError


def probe_directory(directory: Path) -> None:
    """Create a folder and prove that files can be written there, before any work starts.

    Raises:
        UserError: it cannot be created or written to.
    """
    probe = directory / f".probe-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to the folder {directory}: {error.strerror}.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: readers see all of it or nothing.

    Raises:
        UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)  # there is one only if something went wrong
