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
for call in range(11):
    if call == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    more(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
# Taken, given back, and what the heap shrank by.
TRIMMED = """
import ctypes
from jaxdet.runtime.memory import keep_freed_memory

keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.sbrk.argtypes = [ctypes.c_ssize_t]
libc.free.argtypes = [ctypes.c_void_p]
block = libc.malloc(3 * 2**30)
end = libc.sbrk(0)
assert block < end
libc.free(block)
print(end - libc.sbrk(0))
"""
GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc alone is told")


def page_faults(*arguments):
    return number(PROGRAM, *arguments)


def number(program, *arguments):
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


@GLIBC
def test_large_blocks_are_used_again():
    # A block may be given back late, once or twice, and another one be taken in its place.
    assert 2 * page_faults("keep") < page_faults()


@GLIBC
def test_no_amount_goes_back_to_the_system():
    assert number(TRIMMED) == 0
