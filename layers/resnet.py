"""Residual networks, for small images (section 4.2 of the paper) and large ones (section 4.1), and their plain twins.

He, Zhang, Ren and Sun 2015, "Deep residual learning for image recognition", arXiv:1512.03385.

A block computes relu(F(x) + x): F learns by how much the output differs from the input. A plain twin has the same
layers and computes relu(F(x)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.containers import Sequential
from tinygrad_lite.layers.convolution import Conv2d
from tinygrad_lite.layers.linear import Identity, Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import BatchNorm2d
from tinygrad_lite.layers.pooling import MaxPool2d
from tinygrad_lite.tensor import Tensor

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "PaddedShortcut",
    "ResNet",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet110",
]

SHORTCUTS = ("A", "B", "none")


class PaddedShortcut(Module):
    """Option A: every stride-th pixel, and zeros for the channels that are new; no parameters.

    Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PaddedShortcut
    >>> PaddedShortcut(2, 4, 2)(tl.ones(1, 2, 8, 8)).shape
    (1, 4, 4, 4)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(
                f"PaddedShortcut: zeros can't turn {in_channels} channels into {out_channels}; use option B"
            )
        self.stride, new = stride, out_channels - in_channels
        self.around = (new // 2, new - new // 2)

    def forward(self, input: Tensor) -> Tensor:
        return tl.pad(input[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.around))


class _Block(Module):
    """relu(F(x) + shortcut(x)), where F is written by the subclass and gives expansion * channels."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "A") -> None:
        super().__init__()
        self.make_residual(in_channels, channels, stride)
        self.downsample = self.make_shortcut(in_channels, channels * self.expansion, stride, shortcut)

    def make_residual(self, in_channels: int, channels: int, stride: int) -> None:
        """Make the layers of F."""
        raise NotImplementedError

    def make_shortcut(self, before: int, after: int, stride: int, kind: str) -> Module | None:
        """What F(x) is added to."""
        if kind not in SHORTCUTS:
            raise ValueError(f"{type(self).__name__}: shortcut is 'A', 'B' or 'none', got {kind!r}")
        if kind == "none":
            return None
        if stride == 1 and before == after:
            return Identity()
        if kind == "A":
            return PaddedShortcut(before, after, stride)
        return Sequential(Conv2d(before, after, 1, stride, bias=False), BatchNorm2d(after))

    def beside(self, input: Tensor) -> Tensor | None:
        """The shortcut of an input."""
        return None if self.downsample is None else self.downsample(input)


class BasicBlock(_Block):
    """relu(F(x) + shortcut(x)) with F = conv 3x3, batch norm, relu, conv 3x3, batch norm (figure 2 and section 3.2).

    shortcut: where the shape changes, 'A' pads the channels with zeros, 'B' projects them by a 1x1 convolution.
    'none' makes the block of a plain network, relu(F(x)), which has as many parameters as 'A'.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BasicBlock
    >>> BasicBlock(4, 8, stride=2)(tl.ones(1, 4, 8, 8)).shape
    (1, 8, 4, 4)
    """

    def make_residual(self, in_channels: int, channels: int, stride: int) -> None:
        self.conv1 = Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn1(self.conv1(input), relu=True)
        return self.bn2(self.conv2(x), relu=True, residual=self.beside(input))


class Bottleneck(_Block):
    """relu(F(x) + shortcut(x)) with F = conv 1x1 to fewer channels, conv 3x3, conv 1x1 to 4 times as many (figure 5).

    Each convolution has its batch norm. The stride is that of the 3x3 convolution, as in torchvision, where the
    paper's is that of the first. shortcut: as in `BasicBlock`.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import Bottleneck
    >>> Bottleneck(16, 4)(tl.ones(1, 16, 8, 8)).shape
    (1, 16, 8, 8)
    """

    expansion = 4

    def make_residual(self, in_channels: int, channels: int, stride: int) -> None:
        self.conv1 = Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.conv3 = Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = BatchNorm2d(channels * self.expansion)

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn1(self.conv1(input), relu=True)
        x = self.bn2(self.conv2(x), relu=True)
        return self.bn3(self.conv3(x), relu=True, residual=self.beside(input))


class ResNet(Module):
    """A convolution, stages of residual blocks, the mean over the image, and a linear layer.

    blocks       how many blocks each stage has: one number n for all of them (three stages of basic blocks give
                 6n + 2 layers: 3 is ResNet-20), or one for each
    widths       the channels of each stage; from the second stage on, the first block halves the image
    in_channels  of the image, (N, in_channels, H, W) of any size
    num_classes  how many numbers come out: (N, num_classes)
    shortcut     'A', 'B', or 'none' for the plain twin, see `BasicBlock`
    block        `BasicBlock` or `Bottleneck`, which gives four times as many channels
    large_images  begin with a 7x7 convolution and a pooling, which make the image four times smaller

    Convolutions start as in He et al. 2015, arXiv:1502.01852. The names of the parameters are torchvision's.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import ResNet
    >>> sum(p.size for p in ResNet().parameters())
    269722
    >>> digits = ResNet(blocks=1, widths=(16, 32), in_channels=1)
    >>> digits(tl.zeros(2, 1, 8, 8)).shape
    (2, 10)
    """

    def __init__(
        self,
        blocks: int | Sequence[int] = 3,
        widths: Sequence[int] = (16, 32, 64),
        in_channels: int = 3,
        num_classes: int = 10,
        shortcut: str = "A",
        block: type[_Block] = BasicBlock,
        large_images: bool = False,
    ) -> None:
        super().__init__()
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths) or min(counts, default=0) < 1:
            raise ValueError(f"ResNet: every stage has a width and one block or more, got {counts} and {list(widths)}")
        if shortcut not in SHORTCUTS:
            raise ValueError(f"ResNet: shortcut is 'A', 'B' or 'none', got {shortcut!r}")
        kernel, stride = (7, 2) if large_images else (3, 1)
        self.conv1 = Conv2d(in_channels, widths[0], kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = BatchNorm2d(widths[0])
        self.maxpool = MaxPool2d(3, 2, padding=1) if large_images else None
        self.stages = [f"layer{k + 1}" for k in range(len(widths))]
        before = widths[0]
        for k, (name, width, count) in enumerate(zip(self.stages, widths, counts)):
            row = [block(before, width, 1 if k == 0 else 2, shortcut)]
            before = width * block.expansion
            row += [block(before, width, 1, shortcut) for _ in range(count - 1)]
            self.register_module(name, Sequential(*row))
        self.fc = Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn1(self.conv1(input), relu=True)
        if self.maxpool is not None:
            x = self.maxpool(x)
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(tl.adaptive_avg_pool2d(x, 1).flatten(1))


def resnet20(**options: Any) -> ResNet:
    """The network for CIFAR with 20 layers, of 269,722 parameters. options: of `ResNet`.

    >>> from tinygrad_lite.layers import resnet20
    >>> plain = resnet20(shortcut="none", widths=(8, 16, 32))
    >>> sum(p.size for p in plain.parameters())
    68050
    """
    return ResNet(3, **options)


def resnet32(**options: Any) -> ResNet:
    """The network for CIFAR with 32 layers, of 464,154 parameters. options: of `ResNet`."""
    return ResNet(5, **options)


def resnet44(**options: Any) -> ResNet:
    """The network for CIFAR with 44 layers, of 658,586 parameters. options: of `ResNet`."""
    return ResNet(7, **options)


def resnet56(**options: Any) -> ResNet:
    """The network for CIFAR with 56 layers, of 853,018 parameters. options: of `ResNet`."""
    return ResNet(9, **options)


def resnet110(**options: Any) -> ResNet:
    """The network for CIFAR with 110 layers, of 1,727,962 parameters. options: of `ResNet`."""
    return ResNet(18, **options)


def _large(blocks: Sequence[int], options: dict[str, Any], block: type[_Block] = BasicBlock) -> ResNet:
    """A network of table 1."""
    usual = {"widths": (64, 128, 256, 512), "num_classes": 1000, "shortcut": "B", "block": block, "large_images": True}
    return ResNet(blocks, **{**usual, **options})


def resnet18(**options: Any) -> ResNet:
    """The network for ImageNet with 18 layers, of 11,689,512 parameters. options: of `ResNet`.

    Names and order of the state dict are torchvision's, whose trained weights load; so for the other two.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import resnet18
    >>> net = resnet18(num_classes=10, widths=(4, 8, 16, 32))
    >>> net(tl.zeros(1, 3, 64, 64)).shape
    (1, 10)
    """
    return _large((2, 2, 2, 2), options)


def resnet34(**options: Any) -> ResNet:
    """The network for ImageNet with 34 layers, of 21,797,672 parameters. options: of `ResNet`."""
    return _large((3, 4, 6, 3), options)


def resnet50(**options: Any) -> ResNet:
    """The network for ImageNet with 50 layers in bottlenecks, of 25,557,032 parameters. options: of `ResNet`."""
    return _large((3, 4, 6, 3), options, Bottleneck)
