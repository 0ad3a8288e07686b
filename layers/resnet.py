"""Residual networks for small images.

He, Zhang, Ren and Sun 2015, "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import tinygrad_lite as tl
from tinygrad_lite.layers import init
from tinygrad_lite.layers.containers import Sequential
from tinygrad_lite.layers.convolution import Conv2d
from tinygrad_lite.layers.linear import Identity, Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import BatchNorm2d
from tinygrad_lite.tensor import Tensor

__all__ = ["BasicBlock", "PaddedShortcut", "ResNet"]


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


class BasicBlock(Module):
    """relu(F(x) + shortcut(x)) with F = conv 3x3, batch norm, relu, conv 3x3, batch norm (figure 2 and section 3.2).

    shortcut: where the shape changes, 'A' pads the channels with zeros, 'B' projects them by a 1x1 convolution.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import BasicBlock
    >>> BasicBlock(4, 8, stride=2)(tl.ones(1, 4, 8, 8)).shape
    (1, 8, 4, 4)
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, shortcut: str = "A") -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(channels)
        self.downsample: Module
        if stride == 1 and in_channels == channels:
            self.downsample = Identity()
        elif shortcut == "A":
            self.downsample = PaddedShortcut(in_channels, channels, stride)
        elif shortcut == "B":
            projection = Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = Sequential(projection, BatchNorm2d(channels))
        else:
            raise ValueError(f"BasicBlock: shortcut is 'A' or 'B', got {shortcut!r}")

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn1(self.conv1(input), relu=True)
        return self.bn2(self.conv2(x), relu=True, residual=self.downsample(input))


class ResNet(Module):
    """A convolution, stages of residual blocks, the mean over the image, and a linear layer.

    blocks       how many blocks each stage has: one number n for all of them (three stages give 6n + 2 layers:
                 3 is ResNet-20, 5 ResNet-32, 9 ResNet-56, 18 ResNet-110), or one for each
    widths       the channels of each stage; from the second stage on, the first block halves the image
    in_channels  of the image, (N, in_channels, H, W) of any size
    num_classes  how many numbers come out: (N, num_classes)
    shortcut     'A' or 'B', see `BasicBlock`

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
    ) -> None:
        super().__init__()
        counts = [blocks] * len(widths) if isinstance(blocks, int) else list(blocks)
        if len(counts) != len(widths) or min(counts, default=0) < 1:
            raise ValueError(f"ResNet: every stage has a width and one block or more, got {counts} and {list(widths)}")
        if shortcut not in ("A", "B"):
            raise ValueError(f"ResNet: shortcut is 'A' or 'B', got {shortcut!r}")
        self.conv1 = Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = BatchNorm2d(widths[0])
        self.stages = [f"layer{k + 1}" for k in range(len(widths))]
        before = widths[0]
        for k, (name, width, count) in enumerate(zip(self.stages, widths, counts)):
            first = BasicBlock(before, width, 1 if k == 0 else 2, shortcut)
            self.register_module(name, Sequential(first, *(BasicBlock(width, width) for _ in range(count - 1))))
            before = width
        self.fc = Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        x = self.bn1(self.conv1(input), relu=True)
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(tl.adaptive_avg_pool2d(x, 1).flatten(1))
