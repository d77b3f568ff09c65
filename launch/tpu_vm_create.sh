#!/usr/bin/env bash
# Creates a TPU VM. It costs money until launch/tpu_delete.sh deletes it.
#
#   launch/tpu_vm_create.sh [--dry_run] [--name=NAME] [--zone=ZONE]
#       [--project=PROJECT] [--accelerator_type=TYPE] [--runtime_version=IMAGE]
#       [--spot=true|false]
#
# Defaults come from the environment: TPU_VM, ZONE, PROJECT (gcloud's own if
# empty), ACCELERATOR_TYPE, RUNTIME_VERSION, SPOT. TYPE must be of one host, and
# IMAGE for that TPU. A spot VM is cheaper and may be taken away at any moment.
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

name=${TPU_VM:-gtn}
zone=${ZONE:-us-west4-a}
project=${PROJECT:-}
accelerator_type=${ACCELERATOR_TYPE:-v5litepod-8}
runtime_version=${RUNTIME_VERSION:-tpu-vm-tf-2.18.0-pjrt-v5e-and-v6}
spot=${SPOT:-true}
parse_flags name zone project accelerator_type runtime_version spot -- "$@"
one_of accelerator_type "${one_host_types[@]}"
one_of spot true false

more=()
[[ -n $project ]] && more+=("--project=$project")
[[ $spot == true ]] && more+=(--spot)
run gcloud compute tpus tpu-vm create "$name" --zone="$zone" \
  --accelerator-type="$accelerator_type" --version="$runtime_version" \
  ${more[@]+"${more[@]}"}
