#!/usr/bin/env bash
# Copies the committed sources to a TPU VM of one host, installs them there,
# runs them, and copies the workdir back. Run it again to resume. A workdir in a
# bucket, --workdir=gs://BUCKET/DIR, is kept there while it runs, and outlives
# the VM.
#
#   launch/tpu_vm_run.sh [--dry_run] [--name=NAME] [--zone=ZONE]
#       [--project=PROJECT] [--workdir=DIR|gs://..] [--wheels=URL]
#       -- --config=configs/cifar10_tpu.py [FLAGS OF gtn_tf.main]
#
# Defaults come from the environment: TPU_VM, ZONE, PROJECT (gcloud's own if
# empty), WORKDIR (here; runs/tpu there), WHEELS (where pip finds libtpu). What
# a spot VM has neither in a bucket nor copied back is lost with it.
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

name=${TPU_VM:-gtn}
zone=${ZONE:-us-west4-a}
project=${PROJECT:-}
workdir=${WORKDIR:-runs/tpu}
wheels=${WHEELS:-https://storage.googleapis.com/libtpu-tf-releases/index.html}
parse_flags name zone project workdir wheels -- "$@"
if ((${#rest[@]} == 0)); then
  echo "error: no flags for gtn_tf.main; expected -- --config=FILE; see" \
    "--help" >&2
  exit 2
fi

where=("--zone=$zone")
[[ -n $project ]] && where+=("--project=$project")
archive=${TMPDIR:-/tmp}/gtn_tf.tar
there=runs/tpu
[[ $workdir == *://* ]] && there=$workdir
printf -v flags '%q ' "--workdir=$there" "${rest[@]}"
run git -C "$(dirname "$0")/.." archive --output="$archive" HEAD
run gcloud compute tpus tpu-vm scp "$archive" "$name:gtn_tf.tar" "${where[@]}"
run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" --command="\
mkdir -p gtn_tf && tar -xf gtn_tf.tar -C gtn_tf && cd gtn_tf && \
python3 -m pip install --quiet '.[tpu]' -f $wheels"
status=0
run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" --command="\
cd gtn_tf && TPU_NAME=local python3 -m gtn_tf.main ${flags% }" || status=$?
[[ $workdir == *://* ]] && exit "$status"
run mkdir -p "$workdir"
run gcloud compute tpus tpu-vm scp --recurse "$name:gtn_tf/runs/tpu/*" \
  "$workdir" "${where[@]}"
exit "$status"
