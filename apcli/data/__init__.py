"""Labelled images: the table of data sets.

Rows only: ``datasets`` reads a set into memory, ``batches`` feeds it to a model. ``FOLDER`` stands outside the table
because a path follows its name.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apcli.registry.ranges import ANYTHING, Numbers
from apcli.registry.tables import Row, Table

Arguments = Mapping[str, bool | str]

_FLAG = ({"train": True}, {"train": False})
_TEST = ({"split": "train"}, {"split": "test"})
_TRAINVAL = ({"split": "trainval"}, {"split": "test"})
_VAL = ({"split": "train"}, {"split": "val"})


@dataclass(frozen=True)
class Contents:
    """The images of a data set: the ``shape`` of each, the number of classes, and of images to train and to test."""

    shape: tuple[int, int, int]
    classes: int
    images: tuple[int, int]

    def described(self, name: str) -> dict[str, Any]:
        """The lineage's entry of the set called ``name``."""
        return {"name": name, "classes": self.classes, "images": list(self.images)}


@dataclass(frozen=True)
class DatasetRow(Row):
    """A data set: its class, the arguments that select each split, and the settings that suit its images.

    ``target`` is called as ``target(root, **splits[0 or 1], **parameters)``, with ``download=True`` to fetch.
    ``files`` names the files and folders that torchvision expects in the data folder. ``size`` is the side of the
    square that each image is cut to by default, or None if all images share one size, which they keep. ``mean`` and
    ``std`` (per channel, of images scaled to [0, 1]) are the published ones; empty means computed from the train split.
    ``contents`` are those of a set that comes with apcli; None: its files say.
    """

    files: tuple[str, ...] = ()
    splits: tuple[Arguments, Arguments] = _TEST
    size: int | None = 224
    augment: str = "random-resized-crop,flip"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    downloads: bool = True
    contents: Contents | None = None


def _torchvision(name: str, target: str, summary: str, source: str, files: str, **settings: object) -> DatasetRow:
    return DatasetRow(
        name,
        f"torchvision.datasets:{target}",
        summary,
        source,
        files=tuple(files.split()),
        **settings,  # type: ignore[arg-type]
    )


def _like_mnist(name: str, target: str, summary: str, source: str, **settings: object) -> DatasetRow:
    settings = {"splits": _FLAG, "size": None, "augment": "crop", **settings}
    return _torchvision(name, target, summary, source, target, **settings)


def _folder_meant(name: str) -> str:
    """The hint for a folder that is given as if it were a data set's name."""
    return f"the folder of that name is given as folder:{name}; " if os.path.isdir(name) else ""


DATASETS = Table(
    "data set",
    (
        DatasetRow(
            "digits",
            "apcli.data.datasets:digits",
            "8x8 grey handwritten digits, 1,797 images, 10 classes; comes with apcli",
            "Alpaydin & Kaynak 1998, UCI ML Repository, doi:10.24432/C50P49, CC BY 4.0",
            size=None,
            augment="crop:padding=1",
            mean=(0.3052,),
            std=(0.376,),
            contents=Contents((1, 8, 8), 10, (1442, 355)),
        ),
        _torchvision(
            "cifar10",
            "CIFAR10",
            "32x32 colour images of 10 kinds of things, 60,000 images",
            "Krizhevsky 2009",
            "cifar-10-batches-py",
            splits=_FLAG,
            size=None,
            augment="crop,flip",
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            synonyms=("cifar-10", "cifar"),
        ),
        _torchvision(
            "cifar100",
            "CIFAR100",
            "32x32 colour images of 100 kinds of things, 60,000 images",
            "Krizhevsky 2009",
            "cifar-100-python",
            splits=_FLAG,
            size=None,
            augment="crop,flip",
            mean=(0.5071, 0.4865, 0.4409),
            std=(0.2673, 0.2564, 0.2762),
            synonyms=("cifar-100",),
        ),
        _like_mnist(
            "mnist",
            "MNIST",
            "28x28 grey handwritten digits, 70,000 images, 10 classes",
            "LeCun et al. 1998",
            mean=(0.1307,),
            std=(0.3081,),
        ),
        _like_mnist(
            "fashion-mnist",
            "FashionMNIST",
            "28x28 grey clothes, 70,000 images, 10 classes",
            "Xiao et al. 2017, arXiv:1708.07747",
            augment="crop:padding=2,flip",
        ),
        _like_mnist(
            "kmnist",
            "KMNIST",
            "28x28 grey cursive Japanese characters, 70,000 images, 10 classes",
            "Clanuwat et al. 2018, arXiv:1812.01718",
        ),
        _like_mnist(
            "emnist",
            "EMNIST",
            "28x28 grey letters and digits; split=balanced (47 classes), byclass, bymerge, letters, digits, mnist",
            "Cohen et al. 2017, arXiv:1702.05373",
            parameters={"split": "balanced"},
            ranges={"split": ANYTHING},
        ),
        _like_mnist(
            "qmnist",
            "QMNIST",
            "28x28 grey handwritten digits, MNIST with its full test set, 120,000 images, 10 classes",
            "Yadav & Bottou 2019, arXiv:1905.10498",
        ),
        _torchvision(
            "usps",
            "USPS",
            "16x16 grey handwritten digits, 9,298 images, 10 classes",
            "Hull 1994",
            "usps.bz2 usps.t.bz2",
            splits=_FLAG,
            size=None,
            augment="crop:padding=2",
        ),
        _torchvision(
            "svhn",
            "SVHN",
            "32x32 colour house numbers, 99,289 images, 10 classes",
            "Netzer et al. 2011",
            "train_32x32.mat test_32x32.mat",
            size=None,
            augment="crop",
            mean=(0.4377, 0.4438, 0.4728),
            std=(0.1980, 0.2010, 0.1970),
        ),
        _torchvision(
            "stl10",
            "STL10",
            "96x96 colour images of 10 kinds of things, 13,000 labelled images",
            "Coates et al. 2011",
            "stl10_binary",
            size=None,
            augment="crop:padding=12,flip",
        ),
        _torchvision(
            "gtsrb",
            "GTSRB",
            "German traffic signs, 39,270 images, 43 classes",
            "Stallkamp et al. 2012",
            "gtsrb",
            augment="random-resized-crop:scale=0.5",
        ),
        _torchvision(
            "fer2013",
            "FER2013",
            "grey faces, 35,887 images, 7 expressions",
            "Goodfellow et al. 2013, arXiv:1307.0414",
            "fer2013/fer2013.csv",
            size=48,
            augment="crop,flip",
            downloads=False,
        ),
        _torchvision("food101", "Food101", "101 dishes, 101,000 images", "Bossard et al. 2014", "food-101"),
        _torchvision(
            "oxford-iiit-pet",
            "OxfordIIITPet",
            "37 breeds of cats and dogs, 7,349 images",
            "Parkhi et al. 2012",
            "oxford-iiit-pet",
            splits=_TRAINVAL,
        ),
        _torchvision(
            "flowers102",
            "Flowers102",
            "102 flowers, 1,020 train and 6,149 test images",
            "Nilsback & Zisserman 2008",
            "flowers-102",
        ),
        _torchvision(
            "dtd",
            "DTD",
            "47 textures, 1,880 train and 1,880 test images; partition=1 to 10",
            "Cimpoi et al. 2014, arXiv:1311.3618",
            "dtd",
            parameters={"partition": 1},
            ranges={"partition": Numbers(1, 10)},
        ),
        _torchvision(
            "fgvc-aircraft",
            "FGVCAircraft",
            "100 aircraft, 10,000 images; annotation_level=variant, family or manufacturer",
            "Maji et al. 2013, arXiv:1306.5151",
            "fgvc-aircraft-2013b",
            splits=_TRAINVAL,
            parameters={"annotation_level": "variant"},
            ranges={"annotation_level": ANYTHING},
        ),
        _torchvision(
            "stanford-cars",
            "StanfordCars",
            "196 cars, 16,185 images",
            "Krause et al. 2013",
            "stanford_cars",
            downloads=False,
        ),
        _torchvision(
            "country211",
            "Country211",
            "photographs from 211 countries, 31,650 train and 21,100 test images",
            "Radford et al. 2021, arXiv:2103.00020",
            "country211",
        ),
        _torchvision(
            "pcam",
            "PCAM",
            "96x96 lymph node sections with or without tumour, 262,144 train and 32,768 test images",
            "Veeling et al. 2018, arXiv:1806.03962",
            "pcam",
            size=96,
            augment="crop:padding=12,flip",
        ),
        _torchvision(
            "rendered-sst2",
            "RenderedSST2",
            "pictures of sentences, positive or negative, 6,920 train and 1,821 test images",
            "Radford et al. 2021, arXiv:2103.00020",
            "rendered-sst2",
            augment="crop:padding=8",
        ),
        _torchvision(
            "clevr",
            "CLEVRClassification",
            "how many things are in a rendered scene, 70,000 train and 15,000 val images",
            "Johnson et al. 2017, arXiv:1612.06890",
            "clevr",
            splits=_VAL,
            augment="flip",
        ),
        _torchvision(
            "imagenette",
            "Imagenette",
            "10 easy classes of ImageNet, 13,394 images",
            "Howard 2019, github.com/fastai/imagenette",
            "imagenette2",
            splits=_VAL,
        ),
        _torchvision(
            "imagenet",
            "ImageNet",
            "1,000 kinds of things, 1,281,167 train and 50,000 val images",
            "Russakovsky et al. 2015, arXiv:1409.0575",
            "ILSVRC2012_devkit_t12.tar.gz",
            splits=_VAL,
            downloads=False,
        ),
        _torchvision(
            "places365",
            "Places365",
            "365 kinds of places, 1,803,460 train and 36,500 val images, the 256x256 version",
            "Zhou et al. 2017",
            "categories_places365.txt data_256_standard val_256",
            splits=({"split": "train-standard", "small": True}, {"split": "val", "small": True}),
        ),
        DatasetRow(
            "inaturalist",
            "apcli.data.folders:inaturalist",
            "10,000 species, 500,000 train (the 2021 mini set) and 100,000 val images",
            "Van Horn et al. 2021, arXiv:2103.16483",
            files=("2021_train_mini", "2021_valid"),
            splits=({"version": "2021_train_mini"}, {"version": "2021_valid"}),
        ),
    ),
    meant=_folder_meant,
)

FOLDER = DatasetRow(
    "folder",
    "apcli.data.folders:folder",
    "your own images: folder:PATH, with class folders below PATH/train and PATH/val (or PATH/test)",
    "the layout of ImageNet",
)
