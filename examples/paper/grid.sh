#!/usr/bin/env bash
# The paper's grid (Mozafari-Nia & Sekeh, arXiv:2403.00155) on one machine, as five piped lines; Snakefile is the same
# grid for a cluster. Run it again after an interruption: it goes on from the files that are there.
# usage: grid.sh [SCALE [FOLDER]]; the scales are those of config.yaml, paper unless another is given.
set -euo pipefail
config=$(cd "$(dirname "$0")" && pwd)/config.yaml
scale=${1:-paper}
mkdir -p "${2:-$scale}" && cd "${2:-$scale}"

# Each value of the scale becomes a variable, a list joined by commas.
eval "$(python -c '
import shlex, sys, yaml
scales = yaml.safe_load(open(sys.argv[1]))["scales"]
for key, value in scales[sys.argv[2]].items():
    print(key, "=", shlex.quote(",".join(map(str, value)) if isinstance(value, list) else str(value)), sep="")
' "$config" "$scale")"
read -ra train <<< "$train"
read -ra finetune <<< "$finetune"

apcli train "$models" --data "$data" --seeds "$seeds" --input-size "$resolution" --images "$images" --epochs "$epochs" \
    "${train[@]}" --output networks/ \
  | apcli prune --method "$methods" --sparsity "$sparsities" --layers "$layers" \
  | apcli finetune --epochs "$finetune_epochs" "${finetune[@]}" \
  | apcli divergence --dist "$dists" --level network \
  | apcli report --output report.html --format html,md,csv --figures figures --scale published
