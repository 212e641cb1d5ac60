"""Describes what a run ran on, in `env.json`, so that a number can be traced."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

from jaxdet.workdir.identity import fingerprint_of

_PACKAGES = ("jaxdet", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy",
             "pillow", "scipy")  # fmt: skip
# Any of these packages brings the module `cv2`.
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)

# Of JAX's configuration, what changes numbers or programs.
_MODES = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion",
    "jax_debug_nans",
)


def describe() -> dict[str, Any]:
    """Returns command, code, machine and versions, as plain values."""
    return {
        "command": shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "code": code(),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def code() -> str:
    """Returns a digest of jaxdet's code, which a copy without a commit has, too."""
    root = Path(__file__).parents[1]
    return fingerprint_of(
        path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes()
        for path in sorted(root.rglob("*.py"))
    )


def software() -> dict[str, Any]:
    """Returns what processes of one run must share: code, versions, modes of JAX.

    The code is told by a digest: a checkout may have changes, and an installation has no commit.
    """
    versions = _versions()
    # One module under several names.
    opencv = [versions.pop(name) for name in _OPENCV if name in versions]
    return {
        "code of jaxdet": code(),
        "python": platform.python_version(),
        **versions,
        "opencv": opencv,
        **{name: str(getattr(jax.config, name)) for name in _MODES},
    }


def machine() -> str:
    """Returns the devices and the host in one line."""
    devices = jax.devices()
    return (
        f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform}), "
        f"{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}"
    )


def peak_memory() -> int | None:
    """Returns the peak main memory of this process so far, bytes; None where Linux reports none.

    Not getrusage, which counts what the parent held before this program began.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else None


def commit() -> str:
    """Returns the code's commit, "+changes" where files differ from it; "" outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    revision = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return revision + ("+changes" if revision and changed else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _versions() -> dict[str, str]:
    """Returns the version of each package, and of those of OpenCV's packages that are installed."""
    versions = {package: _version(package) for package in (*_PACKAGES, *_OPENCV)}
    absent = "not installed under this name"
    return {
        name: version or absent
        for name, version in versions.items()
        if version or name in _PACKAGES
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
