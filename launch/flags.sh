# Flags of the scripts here, which source this file.
#
# parse_flags NAME .. -- ARGUMENT ..
#   Sets $name from --name=value for the names listed, dry_run from --dry_run,
#   and rest, an array, from what follows a lone --. --help prints the comment
#   that the script begins with.
# one_of NAME VALUE ..
#   Ends with exit code 2 unless $NAME is one of the values.
# run COMMAND ..
#   Runs a command, or prints it under --dry_run.
# one_host_types
#   The accelerator types of one host, all that the TPU scripts serve.

# shellcheck shell=bash
# shellcheck disable=SC2034  # the scripts read rest and one_host_types
dry_run=false
rest=()
one_host_types=(v2-8 v3-8 v4-8 v5p-8 v5litepod-{1,4,8} v6e-{1,4,8})

parse_flags() {
  local known_flags=" " flag
  while [[ $1 != -- ]]; do
    known_flags+="$1 "
    shift
  done
  shift
  while (($#)); do
    flag=${1%%=*}
    flag=${flag#--}
    if [[ $1 == --help ]]; then
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
      exit 0
    elif [[ $1 == --dry_run ]]; then
      dry_run=true
    elif [[ $1 == -- ]]; then
      shift
      rest=("$@")
      return
    elif [[ $1 == --*=* && $known_flags == *" $flag "* ]]; then
      printf -v "$flag" '%s' "${1#*=}"
    else
      echo "error: argument '$1'; expected" \
        "--name=value of${known_flags% }; see --help" >&2
      exit 2
    fi
    shift
  done
}

one_of() {
  local name=$1 value
  shift
  for value in "$@"; do
    [[ ${!name} == "$value" ]] && return
  done
  echo "error: --$name=${!name}; expected one of $*; see --help" >&2
  exit 2
}

run() {
  if $dry_run; then
    local text
    printf -v text '%q ' "$@"
    echo "${text% }"
  else
    "$@"
  fi
}
