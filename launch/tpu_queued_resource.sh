#!/usr/bin/env bash
# Queues for a TPU VM, for where none is free at once. It costs money from the
# moment it is granted until launch/tpu_delete.sh --queued=true deletes it.
#
#   launch/tpu_queued_resource.sh [--dry_run] [--name=NAME] [--zone=ZONE]
#       [--project=PROJECT] [--accelerator_type=TYPE] [--runtime_version=IMAGE]
#       [--spot=true|false] [--valid_until_duration=6h]
#
# Defaults come from the environment: TPU_VM, ZONE, PROJECT (gcloud's own if
# empty), ACCELERATOR_TYPE, RUNTIME_VERSION, SPOT, VALID_UNTIL_DURATION (after
# which an unanswered request expires). TYPE must be of one host, and IMAGE for
# that TPU. The VM gets the name of the request.
# Its state: gcloud compute tpus queued-resources describe NAME --zone=ZONE
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

name=${TPU_VM:-gtn}
zone=${ZONE:-us-west4-a}
project=${PROJECT:-}
accelerator_type=${ACCELERATOR_TYPE:-v5litepod-8}
runtime_version=${RUNTIME_VERSION:-tpu-vm-tf-2.18.0-pjrt-v5e-and-v6}
spot=${SPOT:-true}
valid_until_duration=${VALID_UNTIL_DURATION:-6h}
parse_flags name zone project accelerator_type runtime_version spot \
  valid_until_duration -- "$@"
one_of accelerator_type "${one_host_types[@]}"
one_of spot true false

more=()
[[ -n $project ]] && more+=("--project=$project")
[[ $spot == true ]] && more+=(--spot)
run gcloud compute tpus queued-resources create "$name" --node-id="$name" \
  --zone="$zone" --accelerator-type="$accelerator_type" \
  --runtime-version="$runtime_version" \
  --valid-until-duration="$valid_until_duration" \
  ${more[@]+"${more[@]}"}
