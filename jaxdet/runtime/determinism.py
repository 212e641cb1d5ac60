"""Makes the same machine give the same bits, on GPUs too."""

import os

# Atomic additions and the like are replaced, or refused by the compiler; see max-pooling in
# models/pooling.py. The second includes the first and leaves out autotuning too, which may
# choose other convolutions at another start (openxla/xla#12520).
_FLAGS = ("--xla_gpu_exclude_nondeterministic_ops=true", "--xla_gpu_deterministic_ops=true")


def make_deterministic() -> None:
    """Configures XLA before the process asks for its devices; later it has no effect.

    CPUs give the same bits each time without it, and the flags leave them alone.
    """
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in _FLAGS if flag not in given)])
