"""VGG: 3x3 convolutions in a row, with poolings between them, and a multilayer perceptron on top.

Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", arXiv:1409.1556.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_lite.layers import init
from tinygrad_lite.layers.containers import Sequential
from tinygrad_lite.layers.convolution import Conv2d
from tinygrad_lite.layers.dropout import Dropout
from tinygrad_lite.layers.linear import Linear
from tinygrad_lite.layers.module import Module
from tinygrad_lite.layers.normalization import BatchNorm2d
from tinygrad_lite.layers.piecewise import ReLU
from tinygrad_lite.layers.pooling import AdaptiveAvgPool2d, MaxPool2d
from tinygrad_lite.tensor import Tensor

__all__ = ["VGG", "vgg11", "vgg13", "vgg16", "vgg19"]


class VGG(Module):
    """Convolutions of 3x3 with relu, 'M' for a max pooling that halves the image, then linear layers.

    layers       the channels of each convolution, and 'M' where the image is halved
    in_channels  of the image, (N, in_channels, H, W), as large as the poolings need
    num_classes  how many numbers come out: (N, num_classes)
    batch_norm   whether a batch norm stands behind each convolution
    hidden       the units of each linear layer but the last, which have relu and dropout
    pooled       the image is averaged to so many rows and columns before it enters the linear layers
    dropout      the probability to drop a unit of the hidden layers in training

    Names of the parameters and initial values are torchvision's: convolutions as in He et al. 2015
    (arXiv:1502.01852), linear weights N(0, 0.01^2), biases 0.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import VGG
    >>> small = VGG([16, 16, "M", 32, 32, "M", 64, "M"], num_classes=5, hidden=(), pooled=4)
    >>> small(tl.zeros(2, 3, 32, 32)).shape
    (2, 5)
    """

    def __init__(
        self,
        layers: Sequence[int | str],
        in_channels: int = 3,
        num_classes: int = 1000,
        batch_norm: bool = False,
        hidden: Sequence[int] = (4096, 4096),
        pooled: int = 7,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = _features(layers, in_channels, batch_norm)
        self.avgpool = AdaptiveAvgPool2d(pooled)
        widths = [n for n in layers if isinstance(n, int)]
        inputs = (widths[-1] if widths else in_channels) * pooled**2
        self.classifier = Sequential()
        for units in hidden:
            self.classifier.extend([Linear(inputs, units), ReLU(), Dropout(dropout)])
            inputs = units
        self.classifier.append(Linear(inputs, num_classes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights of convolutions and linear layers anew, and set their biases to 0."""
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Linear):
                init.normal_(module.weight, 0.0, 0.01)
            else:
                continue
            if module.bias is not None:
                init.zeros_(module.bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def _features(layers: Sequence[int | str], in_channels: int, batch_norm: bool) -> Sequential:
    """The convolutions and poolings."""
    features = Sequential()
    for layer in layers:
        if isinstance(layer, int):
            features.append(Conv2d(in_channels, layer, 3, padding=1))
            if batch_norm:
                features.append(BatchNorm2d(layer))
            features.append(ReLU())
            in_channels = layer
        elif layer == "M":
            features.append(MaxPool2d(2))
        else:
            raise ValueError(f"VGG: a layer is a number of channels or 'M', got {layer!r}")
    return features


def _table(counts: Sequence[int], options: dict[str, Any]) -> VGG:
    """A column of table 1: five stages of so many convolutions each, every one with a pooling behind it."""
    layers: list[int | str] = []
    for count, width in zip(counts, (64, 128, 256, 512, 512)):
        layers += [width] * count
        layers.append("M")
    return VGG(layers, **options)


def vgg11(**options: Any) -> VGG:
    """Column A of table 1, of 132,863,336 parameters. options: of `VGG`, such as batch_norm=True.

    Names and order of the state dict are torchvision's, whose trained weights load; so for the others.

    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.layers import vgg11
    >>> net = vgg11(num_classes=10, hidden=(), pooled=1, batch_norm=True)
    >>> sum(p.size for p in net.parameters())
    9231114
    """
    return _table((1, 1, 2, 2, 2), options)


def vgg13(**options: Any) -> VGG:
    """Column B of table 1, of 133,047,848 parameters. options: of `VGG`, such as batch_norm=True."""
    return _table((2, 2, 2, 2, 2), options)


def vgg16(**options: Any) -> VGG:
    """Column D of table 1, of 138,357,544 parameters. options: of `VGG`, such as batch_norm=True."""
    return _table((2, 2, 3, 3, 3), options)


def vgg19(**options: Any) -> VGG:
    """Column E of table 1, of 143,667,240 parameters. options: of `VGG`, such as batch_norm=True."""
    return _table((2, 2, 4, 4, 4), options)
