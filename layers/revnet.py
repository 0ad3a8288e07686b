"""RevNet: a residual network whose activations are rebuilt in the backward pass, but for those between the stages.

Gomez, Ren, Urtasun and Grosse 2017, arXiv:1707.04585, section 3.2; the networks for CIFAR of table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.containers import Sequential
from tinygrad_lite.layers.convolution import Conv2d
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import BatchNorm2d
from tinygrad_lite.layers.resnet import PaddedShortcut
from tinygrad_lite.layers.reversible import ReversibleBlock, ReversibleSequence
from tinygrad_lite.tensor import Tensor

__all__ = ["PreActivation", "RevNet", "revnet38", "revnet110"]


class PreActivation(Module):
    """Batch norm, relu, conv 3x3, batch norm, relu, conv 3x3: the residual function of He et al. 2016.

    (N, in_channels, H, W) -> (N, channels, H / stride, W / stride); arXiv:1603.05027, figure 1 b.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import PreActivation
    >>> PreActivation(4, 8, stride=2)(tl.ones(1, 4, 8, 8)).shape
    (1, 8, 4, 4)
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = BatchNorm2d(in_channels)
        self.conv1 = Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        x = self.conv1(self.bn1(input, relu=True))
        return self.conv2(self.bn2(x, relu=True))


class _Halving(Module):
    """y1 = S(x1) + F(x2), y2 = S(x2) + G(y1), S a padded shortcut: half the image, not reversible, hence stored."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.f = PreActivation(in_channels // 2, channels // 2, 2)
        self.g = PreActivation(channels // 2, channels // 2)
        self.downsample = PaddedShortcut(in_channels // 2, channels // 2, 2)

    def forward(self, input: Tensor) -> Tensor:
        x1, x2 = tl.chunk(input, 2, 1)
        y1 = self.downsample(x1) + self.f(x2)
        y2 = self.downsample(x2) + self.g(y1)
        return tl.concatenate([y1, y2], 1)


class RevNet(Module):
    """A convolution, stages of reversible blocks, batch norm and relu, the mean over the image, and a linear layer.

    blocks       how many blocks each stage has, each of four convolutions: one number for all, or one for each
    widths       the channels of each stage, even numbers; from the second stage on, the first block halves the image
                 and is an ordinary one, whose activations are stored
    in_channels  of the image, (N, in_channels, H, W) of any size
    num_classes  how many numbers come out: (N, num_classes)

    With half as many blocks, each of two residual functions on half of the channels, and about twice the channels it
    has the parameters of the ResNet that it is compared with.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import RevNet
    >>> net = RevNet(blocks=2, widths=(16, 32, 64))
    >>> net(tl.zeros(2, 3, 16, 16)).shape
    (2, 10)
    """

    def __init__(
        self,
        blocks: int | Sequence[int] = 3,
        widths: Sequence[int] = (32, 64, 112),
        in_channels: int = 3,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths) or min(counts, default=0) < 1 or any(width % 2 for width in widths):
            raise ValueError(
                f"RevNet: every stage has an even width and one block or more, got {counts} and {list(widths)}"
            )
        self.conv1 = Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.stages = Sequential()
        for k, (width, count) in enumerate(zip(widths, counts)):
            if k:
                self.stages.append(_Halving(widths[k - 1], width))
                count -= 1
            half = width // 2
            row = [ReversibleBlock(PreActivation(half, half), PreActivation(half, half)) for _ in range(count)]
            self.stages.append(ReversibleSequence(*row))
        self.bn = BatchNorm2d(widths[-1])
        self.fc = Linear(widths[-1], num_classes)
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn(self.stages(self.conv1(input)), relu=True)
        return self.fc(tl.adaptive_avg_pool2d(x, 1).flatten(1))


def revnet38(**options: Any) -> RevNet:
    """The network for CIFAR with 38 layers, which is compared with ResNet-32. options: of `RevNet`.

    >>> from tinygrad_lite.layers import revnet38
    >>> sum(p.size for p in revnet38().parameters())
    464858
    """
    return RevNet(3, **options)


def revnet110(**options: Any) -> RevNet:
    """The network for CIFAR with 110 layers, which is compared with ResNet-110. options: of `RevNet`."""
    return RevNet(9, **{"widths": (32, 64, 128), **options})
