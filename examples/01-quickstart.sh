#!/usr/bin/env bash
# Shows:  a whole experiment as one pipeline: three methods, four sparsities, fine-tuning, AP2 / AP3 / PD, one page.
#         ResNet-20 on handwritten digits, only its last layer pruned. A second run resumes from the files already there.
# Time:   about a minute on two cores.
# Expect: the dense network has 98.9 % accuracy; at 80 % sparsity lowest keeps 93.2, random 41.4, highest 13.5, and after
#         fine-tuning 98.9, 98.6 and 55.5. Rank agreement (Kendall's tau) of AP2 and PD: 0.97 just pruned, 0.94 after.
# usage:  01-quickstart.sh [FOLDER]
set -euo pipefail
mkdir -p "${1:-demo}" && cd "${1:-demo}"
epochs=${EPOCHS:-15}

apcli train resnet20 --data digits --epochs "$epochs" \
  | apcli prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 --layers last \
  | apcli finetune --epochs "$((epochs / 3))" --lr 0.01 \
  | apcli divergence --dist ap2,gaussian,student-t \
  | apcli report -o report.html

echo "open $PWD/report.html" >&2
