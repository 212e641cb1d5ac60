"""What tests and the commands they start run in; imported before anything imports JAX."""

import os
import shutil
import tempfile

# The CPU, as four devices.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "4"

_CACHE = "JAX_COMPILATION_CACHE_DIR"
# Whether this process made the cache: the first of those that share it.
_MADE = _CACHE not in os.environ

# What one process compiled the others need not: most commands train the same few small networks.
if _MADE:
    os.environ[_CACHE] = tempfile.mkdtemp(prefix="jaxdet-compiled-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"


def importing(*folders):
    """Returns the environment of a process that imports from these folders before all others."""
    paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def remove_cache():
    """Removes what this process made."""
    if _MADE:
        shutil.rmtree(os.environ[_CACHE], ignore_errors=True)
