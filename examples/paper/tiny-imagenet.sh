#!/usr/bin/env bash
# Sort the validation images of Tiny ImageNet (http://cs231n.stanford.edu/tiny-imagenet-200.zip, unpacked) into a folder
# for each class, as those for training are: apcli then reads it as folder:PATH. usage: tiny-imagenet.sh FOLDER
set -euo pipefail
cd "$1/val"
while read -r image class _; do
  mkdir -p "$class"
  if [[ -e images/$image ]]; then mv "images/$image" "$class/"; fi
done < val_annotations.txt
if [[ -d images ]]; then rmdir images; fi
