#!/usr/bin/env bash
# What launch/tpu_vm_run.sh calls on the TPU VM: one run at a time, which goes
# on when the connection ends. Its pid, log and exit code are in ~/gtn_tf_run.
#
#   state FLAGS ..       prints idle, running, or other: running, other flags
#   start PJRT FLAGS ..  starts a run, unless there is one
#   follow               prints the log from its beginning until the run ends
#   stop                 asks the run to save and end
#   code                 prints its exit code, nothing before it has ended
set -euo pipefail

sources=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p ~/gtn_tf_run
cd ~/gtn_tf_run

is_running() {
  # Its name too: after a reboot the pid may be another process's.
  pgrep --pidfile pid --full on_tpu_vm >/dev/null 2>&1
}

state() {
  if ! is_running; then
    echo idle
  elif [[ $(<flags) == "$*" ]]; then
    echo running
  else
    echo other
  fi
}

start() {
  local pjrt=$1 library
  shift
  # gcloud repeats a command whose connection is lost.
  is_running && return
  # The library that the installed TensorFlow was built for, not the image's.
  library=$(python3 -c 'import libtpu; print(libtpu.get_library_path())' \
    2>/dev/null) || library=/lib/libtpu.so
  export TPU_NAME=local TPU_LIBRARY_PATH=$library
  if [[ $pjrt == true ]]; then
    export NEXT_PLUGGABLE_DEVICE_USE_C_API=true
    export TF_PLUGGABLE_DEVICE_LIBRARY_PATH=$library
  fi
  export PYTHONUNBUFFERED=1 # or the log lags behind
  rm -f code
  echo "$*" >flags
  : >log
  (
    trap '' HUP
    code=0
    (cd "$sources" && exec python3 -m gtn_tf.main "$@") || code=$?
    echo "$code" >code
  ) </dev/null >>log 2>&1 &
  echo $! >pid
}

follow() {
  tail --lines=+1 --follow --pid="$(<pid)" log
}

stop() {
  # Python alone: its parent has yet to write the exit code.
  ! is_running || pkill --signal TERM --parent "$(<pid)"
}

code() {
  [[ ! -e code ]] || cat code
}

"$@"
