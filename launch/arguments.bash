# shellcheck shell=bash
# Sourced by the launch scripts with their arguments. Leaves `dry_run` (yes or no), `arguments` for
# jaxdet.main, and `python`; ends with one line and status 2 where the arguments cannot be.
# shellcheck disable=SC2034  # used by whoever sources this

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

# Arguments as a shell takes them, those with nothing special in them as they are.
quoted() {
  local word line=""
  for word in "$@"; do
    case $word in
      "" | *[!A-Za-z0-9_./:=,@%+-]*) word="'${word//\'/\'\\\'\'}'" ;;
    esac
    line+="${line:+ }$word"
  done
  printf '%s' "$line"
}

# An option of the launcher itself, from the environment: a whole number from $2.
check_number() {
  if ! [[ ${!1} =~ ^[0-9]+$ ]] || [ "${!1}" -lt "$2" ]; then
    fail "$1=${!1}: not a whole number from $2"
  fi
}

# The comment at the top of the script, seen from the folder that it was started in.
usage() {
  cd "$OLDPWD" && exec awk 'NR > 1 { if (!/^#( |$)/) exit; sub(/^# ?/, ""); print }' "$0"
}

dry_run=no arguments=()
for argument in "$@"; do
  case ${argument%%=*} in
    --help | -h) usage ;;
    --dry-run) dry_run=yes; continue ;;
    --config | --config.* | --noconfig.* | --workdir | --row | --images-per-second) ;;
    --list | --nolist | --accept-config-changes | --noaccept-config-changes) ;;
    --*) fail "$argument: not an option; see --help here and of python -m jaxdet.main" ;;
  esac
  arguments+=("$argument")
done
# A dry run without arguments shows the form of the command.
if [ "$dry_run" = yes ] && [ ${#arguments[@]} -eq 0 ]; then
  arguments=(--config=FILE --workdir=DIR)
fi
has() {
  local argument
  for argument in "${arguments[@]}"; do
    case $argument in "$1" | "$1="*) return 0 ;; esac
  done
  return 1
}
[ ${#arguments[@]} -gt 0 ] || fail "no arguments; those of jaxdet.main: --config=FILE --workdir=DIR"
has --config || fail "--config=FILE is missing"
has --workdir || has --list || fail "--workdir=DIR is missing"
python=${JAXDET_PYTHON:-python}
