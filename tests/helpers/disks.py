"""Disks of the tests' own: a small one, and one whose power can be cut. Mounting takes root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _mount(*arguments: str | Path) -> None:
    found = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if found.returncode:
        pytest.fail(f"nothing can be mounted here: {found.stderr.strip()}")


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        _unmount(folder)


def fill(folder: Path) -> Path:
    """Fill a disk; the file that does. Deleting it gives the space back."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return filler


class Disk:
    """A disk that has what was sent to it, and not what the system still keeps for it."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder

    @contextmanager
    def after_power_cut(self, place: Path) -> Iterator[Path]:
        """Its files as they are if the power is cut now; whoever writes to it stands still."""
        place.mkdir()
        image = place.with_suffix(".img")
        shutil.copyfile(self.image, image)
        _mount("-o", "loop", image, place)
        try:
            yield place
        finally:
            _unmount(place)
            image.unlink()
            place.rmdir()


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of so many bytes, with a file system of its own."""
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        os.truncate(file.fileno(), size)
    found = subprocess.run(["mkfs.ext4", "-q", image], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    folder.mkdir()
    _mount("-o", "loop", image, folder)
    try:
        yield Disk(image, folder)
    finally:
        _unmount(folder)
