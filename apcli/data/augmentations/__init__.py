"""Random changes to training images: the table of augmentations.

Each function takes ``images`` (float, 0 to 255, [N, C, H, W]), ``size`` (the height and width that the model takes) and
the generator of all random draws, and returns new images.
"""

from apcli.registry.ranges import INSIDE, NOT_NEGATIVE, ONE_OR_MORE, SHARE, Numbers, Words
from apcli.registry.tables import Row, Table

AUGMENTATIONS = Table(
    "augmentation",
    (
        Row(
            "crop",
            "apcli.data.augmentations.windows:crop",
            "pad with black, then cut the image's size out at a random place",
            "Krizhevsky 2012; padding as in He et al. 2016, arXiv:1512.03385",
            parameters={"padding": 4},
            ranges={"padding": NOT_NEGATIVE},
        ),
        Row(
            "flip",
            "apcli.data.augmentations.windows:flip",
            "mirror left and right, every second image",
            "Krizhevsky et al. 2012",
        ),
        Row(
            "random-resized-crop",
            "apcli.data.augmentations.windows:random_resized_crop",
            "cut out a rectangle of at least `scale` of the image and stretch it to the model's input",
            "Szegedy et al. 2015, arXiv:1409.4842",
            parameters={"scale": 0.08, "ratio": 4 / 3},
            ranges={"scale": Numbers(0, 1, over=True), "ratio": ONE_OR_MORE},
        ),
        Row(
            "auto-augment",
            "apcli.data.augmentations.policies:auto_augment",
            "two operations by one of 25 rules learnt on `policy`, drawn for each image",
            "Cubuk et al. 2019, arXiv:1805.09501; operations and rules of torchvision",
            parameters={"policy": "imagenet"},
            ranges={"policy": Words(("imagenet", "cifar10", "svhn"))},
            synonyms=("autoaugment", "autoaug"),
        ),
        Row(
            "rand-augment",
            "apcli.data.augmentations.policies:rand_augment",
            "`ops` operations of strength `magnitude` (0 to 30), drawn for each image",
            "Cubuk et al. 2020, arXiv:1909.13719; operations of torchvision",
            parameters={"ops": 2, "magnitude": 9},
            ranges={"ops": ONE_OR_MORE, "magnitude": Numbers(0, 30)},
            synonyms=("randaugment", "randaug"),
        ),
        Row(
            "trivial-augment",
            "apcli.data.augmentations.policies:trivial_augment",
            "one operation of any strength, drawn for each image",
            "Müller & Hutter 2021, arXiv:2103.10158, the wide space; operations of torchvision",
            synonyms=("trivialaugment", "trivial-augment-wide", "ta-wide"),
        ),
        Row(
            "random-erasing",
            "apcli.data.augmentations.erasing:random_erasing",
            "with probability p, fill a rectangle of `least` to `most` of the image with random values",
            "Zhong et al. 2020, arXiv:1708.04896, algorithm 1",
            parameters={"p": 0.5, "least": 0.02, "most": 0.4, "ratio": 0.3},
            ranges={"p": SHARE, "least": INSIDE, "most": INSIDE, "ratio": Numbers(0, 1, over=True)},
            synonyms=("erasing", "random-erase", "reprob"),
        ),
    ),
)
