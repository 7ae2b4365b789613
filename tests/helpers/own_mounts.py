"""Commands that mount something that nobody else sees. It takes root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_INTO = 'mount --rbind / /mnt && exec chroot /mnt env --chdir="$@"'


def with_own_mounts(*command: str) -> list[str]:
    """The command, with mounts of its own and "/" among them."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if any(mount[4] == "/" for mount in mounts):
        return ["unshare", "--mount", *command]
    # In a chroot the root is a folder of a mount that cannot be made private from there.
    if any(word.startswith("shared:") for mount in mounts for word in mount[6:]):
        pytest.fail("what is mounted here would be seen outside: mount this root before chroot")
    apart = "unshare", "--mount", "--propagation", "unchanged"
    return [*apart, "sh", "-c", _INTO, "sh", os.getcwd(), *command]
