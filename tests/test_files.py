"""Files: written whole or not at all, in folders that were tried first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from training.tiny import files_below

from goodharts_lib.errors import UserError
from goodharts_lib.files import probe_directory, write_whole


def test_writing_replaces_a_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert files_below(tmp_path) == {"file"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, moment: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def crash(*_args: object) -> None:
        assert path.read_bytes() == b"old"
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), crash)
        with pytest.raises((UserError, KeyboardInterrupt)) as raised:
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert files_below(tmp_path) == {"file"}
    if isinstance(error, OSError):
        assert str(raised.value) == f"cannot write {path}: No space left on device."


def test_what_is_renamed_has_reached_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def spied_fsync(number: int) -> None:
        order.append("fsync")
        fsync(number)

    def spied_replace(self: Path, target: Path) -> Path:
        order.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", spied_fsync)
    monkeypatch.setattr(Path, "replace", spied_replace)
    write_whole(tmp_path / "file", b"new")
    assert order[:2] == ["fsync", "replace"]


def test_a_folder_is_made_and_probed_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    probe_directory(folder)
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("mine")
    for folder in (tmp_path / "models", tmp_path / "models" / "below"):
        with pytest.raises(UserError, match=r"^cannot write to the folder .*models"):
            probe_directory(folder)
    assert (tmp_path / "models").read_text() == "mine"
