import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_modes, check, needs_torch, normal, torch
from tinygrad_lite.layers import BasicBlock, ResNet


def twin(blocks, widths, in_channels, num_classes, shortcut):
    """The same network written in PyTorch, from the paper."""
    nn = torch.nn

    class Pad(nn.Module):
        def __init__(self, new, stride):
            super().__init__()
            self.new, self.stride = new, stride

        def forward(self, x):
            x = x[:, :, :: self.stride, :: self.stride]
            return nn.functional.pad(x, (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))

    class Block(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            if stride == 1 and before == width:
                self.downsample = nn.Identity()
            elif shortcut == "A":
                self.downsample = Pad(width - before, stride)
            else:
                projection = nn.Conv2d(before, width, 1, stride, bias=False)
                self.downsample = nn.Sequential(projection, nn.BatchNorm2d(width))

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + self.downsample(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(in_channels, widths[0], 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(widths[0])
            before = widths[0]
            for k, width in enumerate(widths):
                parts = [Block(before, width, 2 if k else 1)]
                parts += [Block(width, width, 1) for _ in range(blocks - 1)]
                setattr(self, f"layer{k + 1}", nn.Sequential(*parts))
                before = width
            self.fc = nn.Linear(before, num_classes)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            for k in range(len(widths)):
                x = getattr(self, f"layer{k + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return Net()


@needs_torch
@both_modes
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_as_pytorch(shortcut, training):
    args = (2, (4, 7), 1, 3, shortcut)
    check(ResNet(*args), twin(*args), normal(4, 1, 9, 8), training=training, steps=2)


@pytest.mark.parametrize("n, layers, parameters", [(3, 20, 269_722), (5, 32, 464_154), (18, 110, 1_727_962)])
def test_sizes_of_the_paper(n, layers, parameters):
    net = ResNet(n)
    weights = [p for p in net.parameters() if p.ndim > 1]
    assert len(weights) == layers == 6 * n + 2
    assert sum(p.size for p in net.parameters()) == parameters


def test_blocks_of_each_stage():
    net = ResNet(blocks=(1, 2), widths=(4, 8), in_channels=1, num_classes=3)
    assert [len(net.layer1), len(net.layer2)] == [1, 2]
    assert net(tl.zeros(2, 1, 8, 8)).shape == (2, 3)


def test_learns():
    tl.manual_seed(0)
    net = ResNet(1, (4, 8), 1, 2)
    x, y = tl.randn(16, 1, 8, 8), tl.tensor(np.arange(16) % 2)
    optimizer = tl.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = tl.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < 0.5 < losses[0]


def test_errors():
    with pytest.raises(ValueError, match="shortcut is 'A' or 'B', got 'C'"):
        ResNet(shortcut="C")
    with pytest.raises(ValueError, match="BasicBlock: shortcut is 'A' or 'B'"):
        BasicBlock(2, 4, shortcut="C")
    with pytest.raises(ValueError, match=r"a width and one block or more, got \[1, 2\] and \[4\]"):
        ResNet((1, 2), (4,))
    with pytest.raises(ValueError, match="zeros can't turn 4 channels into 2; use option B"):
        ResNet(1, (4, 2))
