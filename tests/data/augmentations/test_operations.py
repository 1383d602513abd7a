"""The operations of a batch against torchvision's own, one image at a time."""

from functools import partial

import pytest
import torch
from torchvision.transforms import AutoAugment, InterpolationMode, RandAugment, TrivialAugmentWide, v2

from apcli.data.augmentations.operations import UNSIGNED, applied, strengths_of

SIDES = 20, 28
SPACES = {
    "auto": (partial(strengths_of, 10), AutoAugment()._augmentation_space(10, SIDES)),
    "rand": (partial(strengths_of, 31), RandAugment()._augmentation_space(31, SIDES)),
    "wide": (partial(strengths_of, 31, wide=True), TrivialAugmentWide()._augmentation_space(31)),
}


@pytest.mark.parametrize("space", SPACES)
def test_strengths_are_those_of_torchvision(space):
    make, theirs = SPACES[space]
    ours = make(*SIDES)
    assert {name: given for name, (given, _) in theirs.items() if given.dim()}.keys() == ours.keys()
    for name, strengths in ours.items():
        assert strengths == theirs[name][0].tolist()
    assert all(signed == (name not in UNSIGNED) for name, (_, signed) in theirs.items())


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_has_its_own_operation_as_torchvision_has_it(channels):
    space = strengths_of(31, *SIDES, wide=True)
    drawn = [(name, 0.0) for name in ("Identity", "AutoContrast", "Equalize", "Invert")]
    for name, strengths in space.items():
        drawn += [(name, strengths[step]) for step in (0, 7, 30, 7)]
        drawn += [] if name in UNSIGNED else [(name, -strengths[7])]
    order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(1)).tolist()
    drawn = [drawn[index] for index in order]
    images = torch.randint(0, 256, (len(drawn), channels, *SIDES), generator=torch.Generator().manual_seed(0)).byte()
    kept, oracle = images.clone(), v2.TrivialAugmentWide()
    made = applied(images, drawn)
    assert torch.equal(images, kept)
    for image, own, (name, strength) in zip(images, made, drawn, strict=True):
        given = strength / 255 if name == "Solarize" else strength
        theirs = oracle._apply_image_or_video_transform(image, name, given, InterpolationMode.NEAREST, oracle._fill)
        assert torch.equal(own, theirs), (name, strength)
