#!/usr/bin/env bash
# ResNet-20 on handwritten digits: three pruning methods, four sparsities, fine-tuning, AP2 / AP3 / PD, one report page.
# Takes about a minute on two cores. usage: quickstart.sh [FOLDER]; a second run resumes from the files already there.
set -euo pipefail
mkdir -p "${1:-demo}" && cd "${1:-demo}"

apcli train resnet20 --data digits --epochs 15 \
  | apcli prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 --layers last \
  | apcli finetune --epochs 5 --lr 0.01 \
  | apcli divergence --dist ap2,gaussian,student-t \
  | apcli report -o report.html

echo "open $PWD/report.html" >&2
