#!/usr/bin/env bash
# Deletes a TPU VM, or a queued resource with its VM, and lists what is left.
#
#   launch/tpu_delete.sh [--dry_run] [--name=NAME] [--zone=ZONE]
#       [--project=PROJECT] [--queued=true|false]
#
# Defaults come from the environment: TPU_VM, ZONE, PROJECT (gcloud's own if
# empty), QUEUED. What is listed at the end still costs money.
set -euo pipefail
# shellcheck source=launch/flags.sh
source "$(dirname "$0")/flags.sh"

name=${TPU_VM:-gtn}
zone=${ZONE:-us-west4-a}
project=${PROJECT:-}
queued=${QUEUED:-false}
parse_flags name zone project queued -- "$@"
one_of queued true false

where=("--zone=$zone")
[[ -n $project ]] && where+=("--project=$project")
if [[ $queued == true ]]; then
  run gcloud compute tpus queued-resources delete "$name" "${where[@]}" \
    --force --quiet
else
  run gcloud compute tpus tpu-vm delete "$name" "${where[@]}" --quiet
fi
run gcloud compute tpus queued-resources list "${where[@]}"
run gcloud compute tpus tpu-vm list "${where[@]}"
