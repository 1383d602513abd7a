#!/usr/bin/env bash
# Which projection of the weights orders the performance difference (PD) best, right after pruning?
# Two seeds of a ResNet-20 on handwritten digits, three methods, four sparsities, all layers; the report ranks the
# projections by Kendall's tau (five dense networks or more would give it an interval). About three minutes on two cores.
# usage: which-projection.sh [FOLDER]; a second run resumes from the files already there.
set -euo pipefail
mkdir -p "${1:-which-projection}" && cd "${1:-which-projection}"

weights=ap2,student-t:groups=100,laplace,cauchy,gaussian:cov=diag,gaussian:cov=rows
network=gaussian:cov=activation,gaussian:cov=fisher,gaussian:cov=gauss-newton,predictive

apcli train resnet20 --data digits --epochs 15 --seeds 0,1 \
  | apcli prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 \
  | apcli finetune --epochs 0 \
  | apcli divergence --level network --dist "$weights,$network" \
  | apcli report -o report.html --format html,md

echo "open $PWD/report.html" >&2
