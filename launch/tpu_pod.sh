#!/usr/bin/env bash
# A Cloud TPU pod: the same command on all its machines, over gcloud's ssh.
#
#   JAXDET_TPU=NAME JAXDET_ZONE=ZONE launch/tpu_pod.sh [--dry-run] --config=FILE --workdir=DIR ...
#
# The arguments are those of `python -m jaxdet.main`. Every machine has the checkout, with the `tpu`
# extra installed, at JAXDET_CHECKOUT (default: jaxdet, in the home folder), and data and DIR on a
# file system that all of them share; see docs/launch.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
# shellcheck source=launch/arguments.bash
source launch/arguments.bash "$@"

if [ "$dry_run" = yes ]; then
  JAXDET_TPU=${JAXDET_TPU:-TPU} JAXDET_ZONE=${JAXDET_ZONE:-ZONE}
fi
[ -n "${JAXDET_TPU:-}" ] || fail "JAXDET_TPU is not set: the TPU's name"
[ -n "${JAXDET_ZONE:-}" ] || fail "JAXDET_ZONE is not set: the TPU's zone"
checkout=${JAXDET_CHECKOUT:-jaxdet}
# bash -c: whatever the login shell is. JAX finds the other machines by the TPU's metadata.
inner="cd $(quoted "$checkout") && source launch/env.sh && exec $(quoted "$python" -m jaxdet.main "${arguments[@]}")"
command=(gcloud compute tpus tpu-vm ssh "$JAXDET_TPU" --zone="$JAXDET_ZONE" --worker=all
  --command="bash -c $(quoted "$inner")")
if [ "$dry_run" = yes ]; then
  printf '%s\n' "$(quoted "${command[@]}")"
  exit 0
fi
command -v gcloud >/dev/null || fail "gcloud: not found; install the Google Cloud CLI"
exec "${command[@]}"
