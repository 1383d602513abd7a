"""The tables of `apcli behaviour`: what stands in which cell."""

from dataclasses import replace

from behaviours import EXEMPLARS, OVERLAP, RECORD

from apcli.cli.layout.tables import lines_of
from apcli.cli.texts.behaviour import of_pair, over_all


def text_of(grid):
    return "\n".join(" ".join(line.split()) for line in lines_of(grid, 200))


def test_a_pair():
    numbers, layers = (text_of(grid) for grid in of_pair("a and b", RECORD))
    assert numbers.startswith("a and b: 10 test images of digits\n")
    for line in (
        "accuracy, % 70.00 60.00 −10.00 [−40.00, +20.00]",
        "loss, nats 0.5000 0.7500 +0.2500 -",
        "margin of the label’s logit 1.000 0.500 −0.500 -",
        "NLL, nats 0.5000 0.5000 +0.0000 -",
        "temperature fitted 1.500 2.000 +0.500 -",
        "calibration error (ECE), scaled 0.1250 0.1250 +0.0000 -",
        "both predict one class on 80.00 % of the images, 95 % [44.00, 97.00]",
        "1 images turn wrong, 0 turn right (McNemar p 1), and 1 wrong ones change",
    ):
        assert line in numbers
    assert "classes whose" not in numbers
    assert "conv1 0.9000 0.250 0.0 % 50.0 % 0.300 0.200" in layers
    assert layers.startswith("What each layer computes, on 8 images")
    bare = replace(RECORD, calibration=None, features=None)
    (numbers,) = (text_of(grid) for grid in of_pair("a and b", replace(bare, shift="blur", severity=2)))
    assert numbers.startswith("a and b: 10 test images of digits, blur of severity 2")
    assert "NLL" not in numbers


def test_classes_that_change_are_named_by_their_loss():
    one = RECORD.predictions.classes[0]
    classes = (replace(one, p=0.01), replace(one, name=None, p=0.001, change=replace(one.change, value=-30.0)))
    record = replace(RECORD, predictions=replace(RECORD.predictions, classes=classes))
    text = text_of(next(of_pair("", record)))
    assert "classes whose accuracy changes (Holm, 5 %): 3 −30.0 [−40.0, +20.0] and cat −10.0 [−40.0, +20.0]" in text


def test_all_pairs():
    exemplars, overlaps = (text_of(grid) for grid in over_all([EXEMPLARS, OVERLAP]))
    assert "most of 5 pruned ones at sparsity 0.5 wrong (1 at chance level left out)" in exemplars
    assert "7 cat 5 4 of 5 1.500" in exemplars
    assert "1 of 9 images; 0.2 if networks erred independently of each other; by lowest and random" in exemplars
    assert "b.safetensors c.safetensors methods 0.5000 0.3333" in overlaps
    assert list(over_all([])) == []
