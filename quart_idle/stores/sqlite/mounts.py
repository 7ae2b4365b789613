"""What kind of file system a file is on, as Linux tells it. Elsewhere nothing is known."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

_MOUNTS: Final = Path("/proc/self/mountinfo")

# Those by which several hosts share files. SQLite's workers share memory, which hosts do not; nor
# do they have one clock.
_OF_NETWORKS: Final = {
    *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "lustre", "beegfs", "gpfs"),
    *("ocfs2", "gfs2", "orangefs", "pvfs2", "coda", "ncpfs", "9p"),
    *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
    *("fuse.davfs2", "fuse.moosefs", "fuse.juicefs", "fuse.blobfuse2", "fuse.goofys", "davfs"),
}


class Mount(NamedTuple):
    """A file system, where it is mounted."""

    point: str
    kind: str

    @property
    def is_of_a_network(self) -> bool:
        return self.kind in _OF_NETWORKS


def mount_of(path: Path, mounts: str | None = None) -> Mount | None:
    """The file system that a file is on, or would be; None: it is not known.

    Args:
        path: the file's.
        mounts: what Linux tells of this process's mounts; None: it is asked.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return None
    real = os.path.realpath(path)
    found = None
    for line in mounts.splitlines():
        fields, _, more = line.partition(" - ")
        if len(before := fields.split(" ")) < 5 or not more:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), before[4])
        below = real == point or real.startswith(point.rstrip("/") + "/")
        # A later mount at the same place covers an earlier one.
        if below and (found is None or len(point) >= len(found.point)):
            found = Mount(point, more.split(" ")[0])
    return found
