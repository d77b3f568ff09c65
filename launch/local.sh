#!/usr/bin/env bash
# Meta-trains on this machine's CPU, split into devices or worker processes.
#
#   launch/local.sh [--dry_run] [--num_devices=N | --num_workers=N]
#       [--port=PORT] [--python=PYTHON] -- --config=FILE [FLAGS OF gtn_tf.main]
#
# Devices share one process. Workers are N processes that TF_CONFIG joins over
# the ports PORT, PORT + 1, ..; should one fail, the others end by themselves.
# Defaults come from the environment: NUM_DEVICES, NUM_WORKERS, PORT, PYTHON.
# meta.num_learners must be a multiple of N.
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

num_devices=${NUM_DEVICES:-1}
num_workers=${NUM_WORKERS:-1}
port=${PORT:-23456}
python=${PYTHON:-python3}
parse_flags num_devices num_workers port python -- "$@"
if ((${#rest[@]} == 0 || (num_devices > 1 && num_workers > 1))); then
  echo "error: --num_devices=$num_devices --num_workers=$num_workers --" \
    "${rest[*]-}; expected one of the two, and -- --config=FILE; see --help" >&2
  exit 2
fi

for count in "$num_devices" "$num_workers"; do
  if [[ ! $count =~ ^[1-9][0-9]*$ ]]; then
    echo "error: --num_devices=$num_devices --num_workers=$num_workers;" \
      "expected whole numbers, at least 1; see --help" >&2
    exit 2
  fi
done

main=("$python" -m gtn_tf.main "${rest[@]}")
if ((num_workers == 1)); then
  run "${main[@]}" "--config.num_logical_devices=$num_devices"
  exit
fi

addresses=
for ((i = 0; i < num_workers; i++)); do
  addresses+="${addresses:+, }\"127.0.0.1:$((port + i))\""
done
children=()
# Workers in process groups of their own: a terminal's Ctrl-C reaches this
# script, which passes one signal on; by a second one they would end without
# saving.
set -m
trap 'kill "${children[@]}" 2>/dev/null || true' INT TERM
for ((i = 0; i < num_workers; i++)); do
  task="{\"type\": \"worker\", \"index\": $i}"
  config="{\"cluster\": {\"worker\": [$addresses]}, \"task\": $task}"
  worker=(env "TF_CONFIG=$config" "${main[@]}" --config.strategy=multi_worker)
  if $dry_run; then
    run "${worker[@]}"
  else
    "${worker[@]}" &
    children+=($!)
  fi
done
status=0
for child in ${children[@]+"${children[@]}"}; do
  one=0
  wait "$child" || one=$?
  # A trapped signal ends `wait` early: the worker is still saving.
  while kill -0 "$child" 2>/dev/null; do
    one=0
    wait "$child" || one=$?
  done
  ((one > status)) && status=$one
done
exit "$status"
