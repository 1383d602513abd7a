#!/usr/bin/env bash
# Shows:  lottery tickets (Frankle & Carbin 2019, arXiv:1803.03635): rounds of pruning, each followed by training from the
#         initial weights again, beside pruning once and fine-tuning, and beside random tickets of the same layers' counts.
#         ResNet-20 on handwritten digits. A second run resumes from the files already there.
# Time:   about two minutes on two cores.
# Expect: accuracy with 2 % and 1 % of the weights: winning tickets 99.2 and 96.6, one-shot pruning 98.6 and 96.1, random
#         tickets 95.2 and 85.4 (dense: 98.9).
# usage:  03-lottery-ticket.sh [FOLDER]
set -euo pipefail
mkdir -p "${1:-lottery-ticket}" && cd "${1:-lottery-ticket}"
shares=(0.8 0.95 0.98 0.99)
epochs=${EPOCHS:-8}
train=(--epochs "$epochs" --trace none)
records=()

apcli train resnet20 --data digits --epochs 0 -o init.safetensors             # the weights that training begins with
apcli train resnet20 --data digits --epochs "$epochs" -o dense.safetensors

# The winning tickets: S is the share of all weights that is removed after the round.
trained=dense.safetensors
for share in "${shares[@]}"; do
  ticket=$(apcli prune "$trained" --scope global --sparsity "$share" --rewind-to init.safetensors -o "ticket-$share.safetensors")
  trained=$(apcli finetune "$ticket" "${train[@]}")
  records+=("$trained")
  # As many weights of each layer, at random, from the same beginning.
  records+=("$(apcli prune init.safetensors --like "$ticket" -o "random-$share.safetensors" \
    | apcli finetune --dense dense.safetensors "${train[@]}")")
done

# One-shot pruning from the trained weights, without rewinding.
mapfile -t once < <(apcli prune dense.safetensors --scope global --sparsity "$(IFS=,; echo "${shares[*]}")" \
  | apcli finetune "${train[@]}")

apcli divergence "${records[@]}" "${once[@]}" --dist ap2 --level network | apcli report -o report.html --format html,md
awk '/^### / { shown = /Accuracy/ } shown' report.md >&2
echo "open $PWD/report.html" >&2
