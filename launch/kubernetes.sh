#!/usr/bin/env bash
# Kubernetes with JobSet: fills in launch/jobset.yaml and hands it to kubectl.
#
#   JAXDET_IMAGE=IMAGE JAXDET_NODES=4 JAXDET_GPUS=8 JAXDET_CLAIM=CLAIM \
#       launch/kubernetes.sh [--dry-run] --config=FILE --workdir=/data/DIR ...
#
# The arguments are those of `python -m jaxdet.main`. JAXDET_IMAGE is made of launch/Containerfile;
# JAXDET_NODES pods (default 1) with JAXDET_GPUS GPUs each (default 8) run one process each;
# JAXDET_CLAIM is a volume claim (ReadWriteMany), mounted at /data; JAXDET_NAME (default jaxdet)
# names the JobSet.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
# shellcheck source=launch/arguments.bash
source launch/arguments.bash "$@"

if [ "$dry_run" = yes ]; then
  JAXDET_IMAGE=${JAXDET_IMAGE:-IMAGE} JAXDET_CLAIM=${JAXDET_CLAIM:-CLAIM}
fi
JAXDET_NAME=${JAXDET_NAME:-jaxdet} JAXDET_NODES=${JAXDET_NODES:-1} JAXDET_GPUS=${JAXDET_GPUS:-8}
[ -n "${JAXDET_IMAGE:-}" ] || fail "JAXDET_IMAGE is not set: an image made of launch/Containerfile"
[ -n "${JAXDET_CLAIM:-}" ] || fail "JAXDET_CLAIM is not set: a volume claim with the data"
check_number JAXDET_NODES 1
check_number JAXDET_GPUS 0
for name in JAXDET_NAME JAXDET_IMAGE JAXDET_CLAIM; do
  [[ ${!name} =~ ^[A-Za-z0-9][A-Za-z0-9._:/@-]*$ ]] || fail "$name=${!name}: not a name"
done

# The arguments as strings of JSON, which YAML is a superset of.
words=""
for word in "${arguments[@]}"; do
  [[ $word != *[[:cntrl:]]* ]] || fail "$(printf '%q' "$word"): control characters"
  word=${word//\\/\\\\}
  words+=", \"${word//\"/\\\"}\""
done
# Kubernetes replaces $(NAME) in commands; $$ is one dollar sign.
words=${words//\$/\$\$}

text=$(grep -v '^#' launch/jobset.yaml)
for name in NAME NODES GPUS IMAGE CLAIM; do
  value=JAXDET_$name
  text=${text//@$name@/"${!value}"}
done
text=${text//@ARGUMENTS@/"$words"}
if [ "$dry_run" = yes ]; then
  printf '%s\n' "$text"
  exit 0
fi
command -v kubectl >/dev/null || fail "kubectl: not found"
exec kubectl apply -f - <<<"$text"
