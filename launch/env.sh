# shellcheck shell=bash
# Sourced by every launch script: what XLA and NCCL are told, each with its reason. A value that is
# set already stays, so a site or a single run may say otherwise. JAX 0.10.2 takes them all; what
# they gain was not measured here, where there is no GPU.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
  exit
fi

# Nine tenths of a card for arrays in place of JAX's three quarters: training is alone on it, and
# larger batches fit. The rest is for NCCL's buffers, cuDNN and the driver. (With the older name
# XLA_PYTHON_CLIENT_MEM_FRACTION set as well, JAX ends with an error.)
if [ -z "${XLA_PYTHON_CLIENT_MEM_FRACTION:-}" ]; then
  export XLA_CLIENT_MEM_FRACTION="${XLA_CLIENT_MEM_FRACTION:-0.90}"
fi

# The all-reduce of one layer's gradients runs while those of earlier layers are computed. Off by
# default on GPUs; without effect on one GPU, CPUs and TPUs.
case " ${XLA_FLAGS:-} " in
  *xla_gpu_enable_latency_hiding_scheduler*) ;;
  *) export XLA_FLAGS="${XLA_FLAGS:+$XLA_FLAGS }--xla_gpu_enable_latency_hiding_scheduler=true" ;;
esac

# Where NCCL fails, a line that says why, in place of "unhandled system error". Silent otherwise.
export NCCL_DEBUG="${NCCL_DEBUG:-WARN}"

# A process with several GPUs launches their kernels as one group: one at a time they can wait for
# each other for ever where memory is freed meanwhile (NVIDIA's JAX-Toolbox, GPU performance).
# Without effect for one GPU a process.
export NCCL_LAUNCH_MODE="${NCCL_LAUNCH_MODE:-GROUP}"

# Set on a machine with several networks where NCCL picks a slow one; look at `ip -brief address`.
# export NCCL_SOCKET_IFNAME=ib0

# JAX's processes find each other by gRPC, which would ask a proxy of the site for them and wait
# (JAX's documentation of jax.distributed.initialize). Training talks to nobody else.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY grpc_proxy all_proxy ALL_PROXY

# Lines of a run appear when they are said, also in a file; the last ones matter where it is killed.
export PYTHONUNBUFFERED=1

# For JAXDET_* see docs/reference/launch.md: JAXDET_PYTHON, JAXDET_DISTRIBUTED, JAXDET_JOIN_SECONDS,
# JAXDET_HEARTBEAT_SECONDS.
