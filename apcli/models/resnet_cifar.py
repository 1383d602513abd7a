"""Residual networks for small images, after He et al. 2016 (arXiv:1512.03385), section 4.2.

Depth 6n + 2: one 3x3 convolution, three stages of n two-convolution blocks with 16, 32 and 64 channels at full,
half and quarter resolution, global average pooling, one linear layer. Shortcuts are the paper's option A, which has
no parameters. (torchvision's ``resnet18`` … are the ImageNet networks: wider, option B, stride-4 stem.)
"""

import torch.nn.functional as F
from torch import Tensor, nn

_WIDTHS = (16, 32, 64)


class Block(nn.Module):
    """relu(F(x) + shortcut(x)) with F = conv, bn, relu, conv, bn."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added_channels = channels - channels_in
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out))
        result: Tensor = (out + self.shortcut(x)).relu()
        return result

    def shortcut(self, x: Tensor) -> Tensor:
        """Option A: take every ``stride``-th pixel; the added channels are zeros, half before and half after."""
        if self.stride == 1 and self.added_channels == 0:
            return x
        before = self.added_channels // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added_channels - before))


class CifarResNet(nn.Module):
    """Takes images (n, 3, height, width), returns logits (n, num_classes); weights start Kaiming-normal (fan in)."""

    def __init__(self, depth: int, num_classes: int) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        if depth != 6 * blocks + 2:
            raise ValueError(f"depth is {depth}: expected 6n + 2")
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], blocks, stride=2)
        self.fc = nn.Linear(_WIDTHS[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        out = self.bn1(self.conv1(images)).relu()
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.fc(out.mean(dim=(2, 3)))
        return logits


def _stage(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(channels_in, channels, stride)
    return nn.Sequential(first, *(Block(channels, channels, 1) for _ in range(blocks - 1)))


def _resnet(depth: int, num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    if input_size[0] != 3:
        raise ValueError(f"the input size is {input_size}: resnet{depth} expects images of 3 channels")
    return CifarResNet(depth, num_classes)


def resnet20(num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    """0.27 M parameters for 10 classes."""
    return _resnet(20, num_classes, input_size)


def resnet32(num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    """0.46 M parameters for 10 classes."""
    return _resnet(32, num_classes, input_size)


def resnet44(num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    """0.66 M parameters for 10 classes."""
    return _resnet(44, num_classes, input_size)


def resnet56(num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    """0.85 M parameters for 10 classes."""
    return _resnet(56, num_classes, input_size)


def resnet110(num_classes: int, input_size: tuple[int, int, int]) -> CifarResNet:
    """1.7 M parameters for 10 classes."""
    return _resnet(110, num_classes, input_size)
