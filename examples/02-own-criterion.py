"""A criterion of one's own, beside magnitude and chance.

Shows:  a function from weights to scores is a method: --method 02-own-criterion.py:for_its_unit. It goes through all
        stages, and checkpoints and records say which code it was.
Time:   half a minute on two cores.
Expect: accuracy at 30, 50 and 80 % sparsity, just pruned: 97.7, 82.0 and 13.0; lowest 97.5, 85.9 and 23.1; random 17.5,
        10.1 and 9.6. Relative weights are no better than plain ones here.
usage:  python 02-own-criterion.py [FOLDER]
"""

import os
import sys

import numpy as np

import apcli


def for_its_unit(weight: np.ndarray, *, power: float = 1.0) -> np.ndarray:
    """Score |w| divided by the mean |w| of its output unit, to a power; larger = keep."""
    size = np.abs(weight)
    mean = size.mean(axis=tuple(range(1, weight.ndim)), keepdims=True)
    return (size / (mean + 1e-12)) ** power


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "own-criterion"
    dense = apcli.train("resnet20", data="digits", epochs=int(os.environ.get("EPOCHS", "15")), output=f"{folder}/")
    methods = [f"{__file__}:for_its_unit", "lowest", "random"]
    pruned = apcli.prune(dense, method=methods, sparsity=[0.3, 0.5, 0.8])
    records = list(apcli.divergence(apcli.finetune(pruned, epochs=0), dist="ap2", level="network"))
    for record in (record for record in records if record.epoch is None):  # of the file, not of its trace
        print(f"{record.metrics.pruned.test.accuracy:5.1f} %  {record.sparsity.requested:.0%}  {record.method}")
    print(*apcli.report(records, output=f"{folder}/report.html"))
