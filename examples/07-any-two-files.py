"""Certificates for copies that nobody pruned: weights of 8 bits, and of half the rank.

Shows:  apcli bounds takes any two files of the same shapes: how often do the networks disagree at most, and how far
        apart are their losses, and their logits for all inputs within two grey levels of an image?
Time:   a minute on two cores.
Expect: of 8 bits, at most 1.8 % of images change class (0.6 seen), and logits by 1.25 at most (0.19); of half the rank,
        61 % (57 seen) and 10.0 (8.6). All bounds hold.
usage:  python 07-any-two-files.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import apcli


def quantised(weight: torch.Tensor) -> torch.Tensor:
    step = weight.abs().max() / 127
    return (weight / step).round() * step


def low_rank(weight: torch.Tensor) -> torch.Tensor:
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    return u[:, : len(s) // 2] @ torch.diag(s[: len(s) // 2]) @ v[: len(s) // 2]


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "any-two-files")
[dense] = apcli.train("fc5", data="digits", epochs=int(os.environ.get("EPOCHS", "15")), output=f"{folder}/")
records = []
for change in (quantised, low_rank):
    copy = folder / f"{change.__name__}.safetensors"
    save_file({n: change(w) if w.dim() > 1 else w for n, w in load_file(dense.path).items()}, copy)
    records += apcli.bounds(dense, copy, theory="certificate:radius=2", model="fc5", data="digits")
for bound, name in ((record.bound, record.pruned.path) for record in records):
    print(f"{Path(name).stem:10} {bound.statement:28} {bound.value:.4f} {bound.measured:.4f} {bound.verdict}")
print(*apcli.report(records, output=f"{folder}/report.html"))
