"""The CIFAR ResNet of tinygrad_lite.layers in PyTorch, with the same names, to train beside it.

He, Zhang, Ren and Sun 2015, arXiv:1512.03385, section 4.2, shortcuts of option A.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.new = stride, width - before

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.new:
            x = functional.pad(
                x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new - self.new // 2)
            )
        return torch.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, blocks: int, widths: tuple[int, ...], in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        before, self.stages = widths[0], len(widths)
        for k, width in enumerate(widths):
            first = BasicBlock(before, width, 2 if k else 1)
            setattr(
                self, f"layer{k + 1}", nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))
            )
            before = width
        self.fc = nn.Linear(before, 10)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.bn1(self.conv1(x)))
        for k in range(self.stages):
            x = getattr(self, f"layer{k + 1}")(x)
        return self.fc(x.mean((2, 3)))
