import numpy as np
import pytest

import tinygrad_lite as tl
from tests.layers.parity import both_modes, check, needs_torch, normal, torch
from tinygrad_lite import layers
from tinygrad_lite.layers import BasicBlock, BatchNorm2d, Bottleneck, ResNet, init


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


@pytest.mark.parametrize(
    "depth, parameters", [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_sizes_of_the_paper(depth, parameters):
    net = getattr(layers, f"resnet{depth}")()
    assert sum(p.ndim > 1 for p in net.parameters()) == depth
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
    with pytest.raises(ValueError, match="shortcut is 'A', 'B' or 'none', got 'C'"):
        ResNet(shortcut="C")
    with pytest.raises(ValueError, match="BasicBlock: shortcut is 'A', 'B' or 'none'"):
        BasicBlock(2, 4, shortcut="C")
    with pytest.raises(ValueError, match=r"a width and one block or more, got \[1, 2\] and \[4\]"):
        ResNet((1, 2), (4,))
    with pytest.raises(ValueError, match="zeros can't turn 4 channels into 2; use option B"):
        ResNet(1, (4, 2))


# ---------------------------------------------------------------------------------- the plain twin


@pytest.mark.parametrize("make", [layers.resnet20, layers.resnet56])
def test_a_plain_network_has_the_same_layers_and_initial_weights(make):
    tl.manual_seed(0)
    residual = make(widths=(2, 4, 8))
    tl.manual_seed(0)
    plain = make(widths=(2, 4, 8), shortcut="none")
    for (name, p), (other, q) in zip(residual.named_parameters(), plain.named_parameters(), strict=True):
        assert name == other and np.array_equal(p.detach(), q.detach())
    assert sum(isinstance(m, BatchNorm2d) for m in plain.modules()) == sum(p.ndim == 4 for p in plain.parameters())


@both_modes
@pytest.mark.parametrize("stride", [1, 2])
def test_a_plain_block_is_its_residual_function(stride, training):
    block = BasicBlock(3, 3, stride, shortcut="none").train(training)
    x = tl.tensor(normal(2, 3, 6, 6), dtype="float32")
    want = tl.relu(block.bn2(block.conv2(tl.relu(block.bn1(block.conv1(x))))))
    assert np.allclose(block(x).detach(), want.detach(), rtol=0, atol=1e-5)


@both_modes
@pytest.mark.parametrize("block, last", [(BasicBlock(8, 8), "bn2"), (Bottleneck(8, 2), "bn3")])
def test_a_block_whose_residual_branch_is_zero_is_relu_bit_for_bit(block, last, training):
    init.zeros_(getattr(block.train(training), last).weight)
    x = tl.tensor(normal(32, 8, 7, 7), dtype="float32")
    assert np.array_equal(block(x).detach(), tl.relu(x))


def test_a_plain_network_made_deeper_by_identities_computes_the_same():
    """The argument of section 1 of the paper: the deeper network can be as good, by layers that do nothing."""
    tl.manual_seed(0)
    shallow = ResNet(1, (4, 8), 1, 3, "none")
    deep = ResNet(3, (4, 8), 1, 3, "none")
    shallow(tl.tensor(normal(16, 1, 8, 8), dtype="float32"))  # running statistics that are not those of the start
    deep.load_state_dict(shallow.state_dict(), strict=False)
    for stage in (deep.layer1, deep.layer2):
        for block in stage[1:]:
            for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
                init.dirac_(conv.weight)
                init.constant_(norm.running_var, 1 - norm.eps)
    x = tl.tensor(normal(4, 1, 8, 8), dtype="float32")
    assert np.allclose(deep.eval()(x).detach(), shallow.eval()(x).detach(), rtol=0, atol=1e-5)


# ------------------------------------------------------------------------------- for large images


def published(blocks, expansion, widths=(64, 128, 256, 512), classes=1000):
    """Names and shapes of torchvision's state dict, written from table 1 of the paper."""

    def norm(name, c):
        sizes = {"weight": (c,), "bias": (c,), "running_mean": (c,), "running_var": (c,), "num_batches_tracked": ()}
        return {f"{name}.{what}": shape for what, shape in sizes.items()}

    state = {"conv1.weight": (widths[0], 3, 7, 7)} | norm("bn1", widths[0])
    before = widths[0]
    for stage, (count, width) in enumerate(zip(blocks, widths)):
        for k in range(count):
            place, after = f"layer{stage + 1}.{k}", width * expansion
            sizes = [(before, width, 3), (width, width, 3)]
            if expansion > 1:
                sizes = [(before, width, 1), (width, width, 3), (width, after, 1)]
            for n, (inputs, outputs, kernel) in enumerate(sizes):
                state[f"{place}.conv{n + 1}.weight"] = (outputs, inputs, kernel, kernel)
                state |= norm(f"{place}.bn{n + 1}", outputs)
            if k == 0 and (stage or before != after):
                state[f"{place}.downsample.0.weight"] = (after, before, 1, 1)
                state |= norm(f"{place}.downsample.1", after)
            before = after
    return state | {"fc.weight": (classes, before), "fc.bias": (classes,)}


@pytest.mark.parametrize(
    "make, blocks, expansion, parameters",
    [
        (layers.resnet18, (2, 2, 2, 2), 1, 11_689_512),
        (layers.resnet34, (3, 4, 6, 3), 1, 21_797_672),
        (layers.resnet50, (3, 4, 6, 3), 4, 25_557_032),
    ],
)
def test_names_and_sizes_are_those_of_torchvision(make, blocks, expansion, parameters):
    state = published(blocks, expansion)
    assert sum(np.prod(s) for n, s in state.items() if "running" not in n and "tracked" not in n) == parameters
    small = (4, 8, 16, 32)
    mine = {name: t.shape for name, t in make(widths=small, num_classes=7).state_dict().items()}
    assert list(mine.items()) == list(published(blocks, expansion, small, 7).items())


def test_the_number_of_parameters_of_resnet18():
    assert sum(p.size for p in layers.resnet18().parameters()) == 11_689_512


@needs_torch
@both_modes
def test_bottlenecks_as_pytorch(training):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            after = 4 * width
            self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
            self.downsample = None
            if stride > 1 or before != after:
                self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
            return torch.relu(y + (x if self.downsample is None else self.downsample(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 2, 7, 2, 3, bias=False), nn.BatchNorm2d(2)
            self.layer1 = nn.Sequential(Block(2, 2, 1), Block(8, 2, 1))
            self.layer2 = nn.Sequential(Block(8, 3, 2))
            self.fc = nn.Linear(12, 5)

        def forward(self, x):
            x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
            return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))

    ours = ResNet((2, 1), (2, 3), 3, 5, "B", Bottleneck, large_images=True)
    check(ours, Net(), normal(3, 3, 20, 18), training=training, steps=2)
