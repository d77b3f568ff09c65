#!/usr/bin/env bash
# Copies the committed sources to a TPU VM of one host, installs them there,
# runs them, and ends with the run's exit code. Only --mode=pretrain and
# --mode=retrain use a TPU.
#
#   launch/tpu_vm_run.sh [--dry_run] [--name=NAME] [--zone=ZONE]
#       [--project=PROJECT] [--workdir=DIR|gs://..] [--tensorflow=VERSION]
#       [--wheels=URL] [--pjrt=true|false]
#       -- --config=configs/cifar10_tpu.py [FLAGS OF gtn_tf.main]
#
# A workdir here is copied there before the run, where the newer of two files
# stays, and back when the run has ended in any way; so the same command
# resumes, on a new VM too. One in a bucket is kept there while it runs: what a
# spot VM has neither in a bucket nor copied back is lost with it.
#
# The run does not need the connection. Where that is lost, the same command
# follows the run again, its log from the beginning. Ctrl-C asks the run to save
# and end, and waits for it. Nothing deletes the VM: launch/tpu_delete.sh.
#
# Defaults come from the environment: TPU_VM, ZONE, PROJECT (gcloud's own if
# empty), WORKDIR, TENSORFLOW (of tensorflow-tpu), WHEELS (where pip finds its
# libtpu), PJRT (false for an image without pjrt in its name).
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

name=${TPU_VM:-gtn}
zone=${ZONE:-us-west4-a}
project=${PROJECT:-}
workdir=${WORKDIR:-runs/tpu}
tensorflow=${TENSORFLOW:-2.18.0}
wheels=${WHEELS:-https://storage.googleapis.com/libtpu-tf-releases/index.html}
pjrt=${PJRT:-true}
parse_flags name zone project workdir tensorflow wheels pjrt -- "$@"
one_of pjrt true false
if ((${#rest[@]} == 0)); then
  echo "error: no flags for gtn_tf.main; expected -- --config=FILE; see" \
    "--help" >&2
  exit 2
fi
# shellcheck disable=SC2034 # one_of reads it
mode=pretrain
pattern=' --mode[= ]([^ ]*)'
# shellcheck disable=SC2034
[[ " ${rest[*]}" =~ $pattern ]] && mode=${BASH_REMATCH[1]}
one_of mode pretrain retrain # the others use no TPU

where=("--zone=$zone")
[[ -n $project ]] && where+=("--project=$project")
in_bucket=false
case $workdir in
  *://*) in_bucket=true there=$workdir ;;
  # The whole path, lest two folders here be one there.
  /*) there=runs$workdir ;;
  *) there=runs$PWD/$workdir ;;
esac
archive=${TMPDIR:-/tmp}/gtn_tf.$name.tar
job="bash gtn_tf/launch/on_tpu_vm.sh"
printf -v flags '%q ' "--workdir=$there" "${rest[@]}"
flags=${flags% }
printf -v folder '%q' "gtn_tf/$there"
printf -v packages '%q ' "tensorflow-tpu==$tensorflow" \
  "tensorflow-metadata<1.18" -f "$wheels" # a later one needs a newer protobuf

# Runs a shell command on the VM. A connection that is dead must not look alive.
vm() {
  run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" \
    --ssh-flag=-oServerAliveInterval=30 --command="$1"
}

copy() {
  run gcloud compute tpus tpu-vm scp "$1" "$2" "${where[@]}"
}

# Sets answer to the last line that a command on the VM prints; under --dry_run
# to $2.
ask() {
  answer=$(vm "$1" | tail -n 1)
  if $dry_run; then
    echo "$answer"
    answer=$2
  fi
}

copy_back() {
  vm "mkdir -p $folder && tar -cf gtn_tf.tar -C $folder ." &&
    copy "$name:gtn_tf.tar" "$archive" &&
    run mkdir -p "$workdir" &&
    run tar -xf "$archive" -C "$workdir"
}

ask "$job state $flags 2>/dev/null || echo idle" idle
if [[ $answer == other ]]; then
  echo "error: another run on $name; expected none, or one with the flags" \
    "$flags; wait for it, or run its own command and press Ctrl-C" >&2
  exit 2
elif [[ $answer == idle ]]; then
  run git -C "$(dirname "$0")/.." archive --output="$archive" HEAD
  copy "$archive" "$name:gtn_tf.tar"
  vm "mkdir -p gtn_tf && tar -xf gtn_tf.tar -C gtn_tf && cd gtn_tf && \
python3 -m pip install --quiet '.[tpu]' ${packages% }"
  if ! $in_bucket && [[ -n $(ls -A "$workdir" 2>/dev/null) ]]; then
    run tar -cf "$archive" -C "$workdir" .
    copy "$archive" "$name:gtn_tf.tar"
    vm "mkdir -p $folder && tar -xf gtn_tf.tar -C $folder \
--keep-newer-files --warning=no-ignore-newer"
  fi
  vm "$job start $pjrt $flags"
fi

trap 'vm "$job stop" || true' INT TERM
# In a process group of its own, which a terminal's Ctrl-C does not reach.
set -m
vm "$job follow" </dev/null &
follower=$!
while kill -0 "$follower" 2>/dev/null; do
  wait "$follower" || true # which a trapped signal ends early
done
set +m
trap - INT TERM

ask "$job code" 0 || true
if [[ -z $answer ]]; then
  echo "error: no connection to $name, where the run may go on and cost;" \
    "expected its exit code; run the same command again" >&2
  exit 1
fi
status=$answer
if ! $in_bucket; then
  copied=0
  copy_back || copied=$?
  ((status)) || status=$copied
fi
exit "$status"
