"""One process of a run of several: `python -m tests.e2e.host INDEX COUNT PORT ARGUMENTS…`.

The arguments are those of `jaxdet.main`. All processes are on this machine, each with the CPU.
"""

import sys

import jax

from jaxdet.errors import guard
from jaxdet.main import main

if __name__ == "__main__":
    index, count, port = map(int, sys.argv[1:4])
    with guard():
        jax.distributed.initialize(f"localhost:{port}", count, index, heartbeat_timeout_seconds=10)
    main(["jaxdet.main", *sys.argv[4:]])
