#!/usr/bin/env bash
# Shows:  which projection of the weights orders the performance difference (PD) best, right after pruning: two seeds of a
#         ResNet-20 on handwritten digits, three methods, four sparsities, all layers.
#         A second run resumes from the files already there.
# Time:   about three minutes on two cores.
# Expect: of 10 projections, predictive orders PD in test loss fully (Kendall's tau 1.00), Student-t in 100 groups at 0.48,
#         and the others, AP2 among them, at 0.20 to 0.27: of whole networks, a distance of weights says little. Five
#         dense networks or more would give these an interval.
# usage:  04-which-projection.sh [FOLDER]
set -euo pipefail
mkdir -p "${1:-which-projection}" && cd "${1:-which-projection}"

weights=ap2,student-t:groups=100,laplace,cauchy,gaussian:cov=diag,gaussian:cov=rows
network=gaussian:cov=activation,gaussian:cov=fisher,gaussian:cov=gauss-newton,predictive

apcli train resnet20 --data digits --epochs "${EPOCHS:-15}" --seeds 0,1 \
  | apcli prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 \
  | apcli finetune --epochs 0 \
  | apcli divergence --level network --dist "$weights,$network" \
  | apcli report -o report.html --format html,md

echo "open $PWD/report.html" >&2
