"""A disk that a test can fill: 64 MiB of memory, mounted for real."""

import contextlib
import os
import subprocess
from pathlib import Path


def mount(folder: Path, *options: str) -> str:
    """Mounts a tmpfs, or with "remount" changes one; the system's complaint, or ""."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(("size=64m", *options)), "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def unmount(folder: Path) -> None:
    """Takes it away, whoever still holds a file of it."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(disk: Path) -> int:
    """Bytes that can still be written."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(disk: Path, *, leave: int = 0) -> Path:
    """A file, `ballast`, that takes all disk space but `leave` bytes."""
    block = os.statvfs(disk).f_frsize
    with contextlib.suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
        # Half of what is left each time: others may be writing too.
        while (blocks := (free(disk) - leave) // block) > 0:
            file.write(b"\1" * block * max(1, blocks // 2))
    return disk / "ballast"


def take_inodes(disk: Path, *, leave: int) -> None:
    """No more than `leave` files can be made, though there is space for their content."""
    found = os.statvfs(disk)
    mount(disk, "remount", f"nr_inodes={found.f_files - found.f_ffree + leave}")


def give_inodes(disk: Path) -> None:
    """Files can be made again."""
    mount(disk, "remount", "nr_inodes=20000")
