"""Memory that computations on CPUs take and give back again and again."""

import platform
import subprocess
import sys

import pytest

# A result of 96 MiB, which the heap of no thread but the main one would hold; in a process of its
# own, since memory is then kept to its end.
PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from jaxdet.runtime.memory import keep_freed_memory

if sys.argv[1:] == ["keep"]:
    keep_freed_memory()
more = jax.jit(lambda x: x + 1)
x = jnp.ones(24 * 2**20)
for call in range(6):
    if call == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    more(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")
def test_large_blocks_are_used_again():
    assert page_faults("keep") < 100 < page_faults()
