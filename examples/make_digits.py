"""Make apcli/data/digits.safetensors, the data set that comes with the package, from scikit-learn's copy.

    python examples/make_digits.py digits.safetensors     # needs scikit-learn; takes two seconds

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C50P49), licence CC BY 4.0. Changes: ink levels 0..16 are scaled
to 0..255, and every fifth image of each class (the 5th, the 10th, ...) is set apart for the test.
"""

import sys

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

SOURCE = (
    "Optical Recognition of Handwritten Digits (test part), E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0; levels scaled to 0..255, "
    "every fifth image of each class in test"
)


def main(path: str) -> None:
    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.uint8)
    rank = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])  # among its class's images
    held_out = rank % 5 == 4
    tensors = {
        "train.images": images[~held_out],
        "train.labels": labels[~held_out],
        "test.images": images[held_out],
        "test.labels": labels[held_out],
    }
    save_file(tensors, path, metadata={"source": SOURCE})  # a single key: the header's bytes are then always the same


if __name__ == "__main__":
    main(sys.argv[1])
