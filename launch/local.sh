#!/usr/bin/env bash
# One machine with all its GPUs, as one process.
#
#   launch/local.sh [--dry-run] --config=FILE --workdir=DIR [--config.key=value ...]
#
# The arguments are those of `python -m jaxdet.main`. CUDA_VISIBLE_DEVICES=0,1 takes some of the
# GPUs, JAXDET_PYTHON another Python than the one on the path.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
# shellcheck source=launch/arguments.bash
source launch/arguments.bash "$@"
# shellcheck source=launch/env.sh
source launch/env.sh

# Alone, whatever started the shell: one process has all the GPUs.
export JAXDET_DISTRIBUTED=off
command=("$python" -m jaxdet.main "${arguments[@]}")
if [ "$dry_run" = yes ]; then
  printf 'JAXDET_DISTRIBUTED=off %s\n' "$(quoted "${command[@]}")"
  exit 0
fi
# In the shell's place: signals and the exit status are the run's.
exec "${command[@]}"
