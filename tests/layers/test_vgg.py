import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_modes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import VGG

COLUMNS = {  # table 1: convolutions of each stage, and the parameters without and with batch norm, as torchvision's
    "vgg11": ((1, 1, 2, 2, 2), 132_863_336, 132_868_840),
    "vgg13": ((2, 2, 2, 2, 2), 133_047_848, 133_053_736),
    "vgg16": ((2, 2, 3, 3, 3), 138_357_544, 138_365_992),
    "vgg19": ((2, 2, 4, 4, 4), 143_667_240, 143_678_248),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_sizes_of_the_paper(name, batch_norm):
    stages, *published = COLUMNS[name]
    net = getattr(layers, name)(batch_norm=batch_norm, hidden=(2, 2))
    assert sum(p.ndim == 4 for p in net.parameters()) == sum(stages) == int(name[3:]) - 3
    features = sum(p.size for p in net.features.parameters())
    perceptron = 512 * 49 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert features + perceptron == published[batch_norm]
    assert net.classifier[0].in_features == 512 * 49 and net.classifier[-1].out_features == 1000


def test_names_are_those_of_torchvision():
    net = layers.vgg11(hidden=(2, 2), num_classes=3)
    places = [0, 3, 6, 8, 11, 13, 16, 18]
    names = [f"features.{k}.{what}" for k in places for what in ("weight", "bias")]
    names += [f"classifier.{k}.{what}" for k in (0, 3, 6) for what in ("weight", "bias")]
    assert list(net.state_dict()) == names
    with_norms = [name for name, _ in layers.vgg11(hidden=(2,), batch_norm=True).features.named_parameters()]
    assert with_norms[:6] == ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]


@needs_torch
@both_modes
@pytest.mark.parametrize("batch_norm", [False, True])
def test_as_pytorch(training, batch_norm):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            rows, before = [], 2
            for width in (3, 4, None, 5, None):
                if width is None:
                    rows.append(nn.MaxPool2d(2, 2))
                    continue
                rows.append(nn.Conv2d(before, width, 3, padding=1))
                rows += [nn.BatchNorm2d(width)] if batch_norm else []
                rows.append(nn.ReLU())
                before = width
            self.features = nn.Sequential(*rows)
            self.avgpool = nn.AdaptiveAvgPool2d(2)
            self.classifier = nn.Sequential(nn.Linear(20, 6), nn.ReLU(), nn.Dropout(0.0), nn.Linear(6, 3))

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    ours = VGG([3, 4, "M", 5, "M"], 2, 3, batch_norm, hidden=(6,), pooled=2, dropout=0.0)
    check(ours, Net(), normal(3, 2, 12, 8), training=training, steps=2)


def test_initial_values():
    tl.manual_seed(0)
    net = VGG([32, "M"], 16, 100, hidden=(500,), pooled=1)
    assert abs(np.std(net.features[0].weight.detach()) / np.sqrt(2 / (9 * 32)) - 1) < 0.05
    assert abs(np.std(net.classifier[3].weight.detach()) / 0.01 - 1) < 0.05
    assert all((p == 0).all() for name, p in net.named_parameters() if "bias" in name)


def test_dropout_is_between_the_linear_layers_in_training_alone():
    net = VGG([4, "M"], 1, 10, hidden=(64,), pooled=2, dropout=0.9)
    x = tl.tensor(normal(2, 1, 8, 8), dtype="float32")
    assert not np.array_equal(net(x).detach(), net(x).detach())
    assert np.array_equal(net.eval()(x).detach(), net(x).detach())


def test_errors():
    with pytest.raises(ValueError, match="VGG: a layer is a number of channels or 'M', got 'P'"):
        VGG([8, "P"])
