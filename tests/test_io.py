import os
import stat
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lite as tl
from tinygrad_lite import io
from tinygrad_lite.layers import BatchNorm1d, Linear, Sequential

try:
    import safetensors.numpy as safetensors
except ModuleNotFoundError:
    safetensors = None
needs_safetensors = pytest.mark.skipif(safetensors is None, reason="needs safetensors, from the extra [examples]")
suffixes = pytest.mark.parametrize("suffix", [".npz", pytest.param(".safetensors", marks=needs_safetensors)])


def same(a, b):
    if isinstance(b, (np.ndarray, tl.Tensor)):
        assert isinstance(a, tl.Tensor)
        a, b = np.asarray(a), np.asarray(b.detach() if isinstance(b, tl.Tensor) else b)
        assert a.shape == b.shape and a.dtype == b.dtype.newbyteorder("=")
        np.testing.assert_array_equal(a, b)
    elif isinstance(b, (list, tuple)):
        assert type(a) is type(b) and len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(b, dict):
        assert set(a) == set(b)
        for key in b:
            same(a[key], b[key])
    else:
        assert type(a) is type(b) and (a == b or (a != a and b != b))


dtypes = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]
arrays = st.sampled_from(dtypes).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
keys = st.one_of(st.text(max_size=4), st.integers(-5, 5), st.sampled_from(["array", "dict", "a.b", "__structure__"]))
nests = st.recursive(
    st.one_of(arrays, plain),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=2).map(tuple), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@suffixes
def test_round_trip(suffix, tmp_path):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.dictionaries(keys, nests, max_size=4))
    def check(state):
        path = tmp_path / f"state{suffix}"
        tl.save(state, path)
        same(tl.load(path), state)

    check()


@suffixes
def test_training_state(suffix, tmp_path):
    tl.manual_seed(0)
    net = Sequential(Linear(3, 4), BatchNorm1d(4), Linear(4, 1))
    optimizer = tl.optim.Adam(net.parameters())
    net(tl.randn(5, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / f"state{suffix}"
    tl.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": (0.5, "a")}, path)
    state = tl.load(str(path))
    assert state["epoch"] == 3 and state["best"] == (0.5, "a")
    other = Sequential(Linear(3, 4), BatchNorm1d(4), Linear(4, 1))
    other.load_state_dict(state["model"])
    again = tl.optim.Adam(other.parameters())
    again.load_state_dict(state["optimizer"])
    same(again.state_dict(), optimizer.state_dict())
    x = tl.randn(5, 3)
    assert (net(x) == other(x)).all()


@suffixes
def test_what_is_shared_is_written_once(suffix, tmp_path):
    path = tmp_path / f"shared{suffix}"
    net = Sequential(Linear(30, 30), Linear(30, 30))
    tl.save(net.state_dict(), path)
    apart = path.stat().st_size
    net[1].weight = net[0].weight
    for state in (net.state_dict(), {"model": net.state_dict(), "epoch": 3}):
        tl.save(state, path)
        assert path.stat().st_size < apart - 30 * 30 * 4 + 1000
        same(tl.load(path), state)
    loaded = tl.load(path)["model"]
    assert loaded["0.weight"] is loaded["1.weight"] and loaded["0.bias"] is not loaded["1.bias"]
    other = Sequential(Linear(30, 30), Linear(30, 30))
    other.load_state_dict(loaded)
    same(other.state_dict(), net.state_dict())


@suffixes
def test_parts_of_one_memory_are_no_shared_arrays(suffix, tmp_path):
    path, whole = tmp_path / f"parts{suffix}", np.arange(6.0)
    state = {
        "all": whole,
        "half": whole[:3],
        "every": whole[::2],
        "flat": whole.reshape(2, 3),
        "bits": whole.view("i8"),
    }
    tl.save(state, path)
    same(tl.load(path), state)


def test_arrays_that_are_made_while_saving_are_not_taken_for_one(tmp_path):
    class Made:
        def __init__(self, value):
            self.value = value

        def __array__(self, dtype=None, copy=None):
            return np.full(1000, self.value)

    tl.save({str(k): Made(float(k)) for k in range(20)}, tmp_path / "made.npz")
    loaded = tl.load(tmp_path / "made.npz")
    assert all((loaded[str(k)] == k).all() for k in range(20))


def test_numpy_reads_and_writes_the_same_files(tmp_path):
    path = tmp_path / "weights.npz"
    state = {"layer.weight": np.ones((2, 3)), "file": np.zeros(2), "a.npy": np.array(1.0)}
    tl.save(state, path)
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == set(state)
        np.testing.assert_array_equal(file["layer.weight"], 1)
    np.savez_compressed(path, one=np.arange(3), two=np.ones(()))
    same(tl.load(path), {"one": np.arange(3), "two": np.ones(())})


@needs_safetensors
def test_safetensors_reads_and_writes_the_same_files(tmp_path):
    path = tmp_path / "weights.safetensors"
    tl.save({"weight": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "n": tl.tensor(3)}, path)
    found = safetensors.load_file(path)
    np.testing.assert_array_equal(found["weight"], np.arange(6.0).reshape(2, 3))
    assert found["n"] == 3
    safetensors.save_file({"b": np.ones(2, np.float16)}, path)
    same(tl.load(path), {"b": np.ones(2, np.float16)})


def test_pytorch_files_and_tensors(tmp_path):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which comes with the extra [torch]")
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file
    path = tmp_path / "weights.safetensors"
    theirs = torch.nn.Linear(3, 2)
    save_file(theirs.state_dict(), path)
    ours = Linear(3, 2)
    ours.load_state_dict(tl.load(path))
    np.testing.assert_array_equal(ours.weight.detach().numpy(), theirs.weight.detach().numpy())
    tl.save(theirs.state_dict(), path)
    same(tl.load(path), {name: t.numpy() for name, t in theirs.state_dict().items()})
    save_file({"w": torch.ones(2, dtype=torch.bfloat16)}, path)
    with pytest.raises(ValueError, match=r"weights.safetensors: w is BF16, which NumPy has no dtype for; convert"):
        tl.load(path)
    with pytest.raises(TypeError, match=r"save: layer.w is a Tensor that can't be saved: .*BFloat16"):
        tl.save({"layer": {"w": torch.ones(2, dtype=torch.bfloat16)}}, path)


def test_loaded_tensors_can_be_written_to(tmp_path):
    for suffix in (".npz", ".safetensors") if safetensors else (".npz",):
        tl.save({"w": np.ones(3)}, tmp_path / f"a{suffix}")
        w = tl.load(tmp_path / f"a{suffix}")["w"]
        tl.layers.init.zeros_(w)
        assert (w == 0).all()


# ------------------------------------------------------------------------------ whole or not at all


@suffixes
def test_a_failure_leaves_the_old_file_and_nothing_else(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"state{suffix}"
    tl.save({"w": np.ones(3)}, path)
    before = path.read_bytes()

    class DiskFull(OSError):
        pass

    def fail(*args):
        raise DiskFull("no space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(DiskFull):
                tl.save({"w": np.zeros(3)}, path)
        assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]
    with pytest.raises(TypeError, match="save: bad is a object"):
        tl.save({"w": np.zeros(3), "bad": object()}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX's")
def test_modes_and_links(tmp_path):
    path, link = tmp_path / "a.npz", tmp_path / "link.npz"
    mask = os.umask(0o022)
    try:
        tl.save({"w": np.ones(3)}, path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    link.symlink_to(path)
    tl.save({"w": np.zeros(3)}, link)
    assert link.is_symlink() and (tl.load(path)["w"] == 0).all()


# ------------------------------------------------------------------------------------- errors


@suffixes
def test_damaged_files(suffix, tmp_path):
    path = tmp_path / f"state{suffix}"
    tl.save({"w": np.arange(20.0), "n": {"deep": 3}}, path)
    whole = path.read_bytes()
    for cut in [0, 1, 7, 8, 9, 50, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=rf"load: .*state{suffix} can't be read .*is it damaged\?"):
            tl.load(path)
    path.write_bytes(b"nonsense" * 100)
    with pytest.raises(ValueError, match="can't be read"):
        tl.load(path)


def test_changed_bytes_are_noticed(tmp_path):
    """The sums in a .npz file tell a changed number from the right one."""
    path = tmp_path / "state.npz"
    tl.save({"w": np.arange(20.0)}, path)
    whole = path.read_bytes()
    start = whole.index(np.arange(20.0).tobytes())
    for place in range(start, start + 160, 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="Bad CRC-32"):
            tl.load(path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, w=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"w.npy: Object arrays cannot be loaded"):
        tl.load(path)
    np.savez(path, w=np.array(["text"]))
    with pytest.raises(ValueError, match=r"evil.npz: w: .*<U4 data is not supported"):
        tl.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(ValueError, match=r"notes.txt: .*magic string"):
        tl.load(path)


@pytest.mark.parametrize(
    "state, error, message",
    [
        ([1, 2], TypeError, "needs a dict of arrays, such as model.state_dict.., got list"),
        ({"a": {"b": object()}}, TypeError, "save: a.b is a object; Tensors, arrays"),
        ({"a": [1, {2}]}, TypeError, "save: a.1 is a set"),
        ({"a": {1.5: 2}}, TypeError, "save: a has the key 1.5; keys are strings or integers"),
        ({True: 2}, TypeError, "save: the dict has the key True"),
        ({"a": np.ones(2, complex)}, TypeError, "save: a is a ndarray that can't be saved: .*complex128"),
        ({"a": np.array(["x"])}, TypeError, "save: a is a ndarray that can't be saved"),
        ({"a": 1j}, TypeError, "save: a is a complex"),
    ],
)
def test_what_cannot_be_saved(state, error, message, tmp_path):
    with pytest.raises(error, match=message):
        tl.save(state, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_paths(tmp_path):
    for name in ("model.pt", "model", "model.npz.gz"):
        with pytest.raises(ValueError, match=rf"save: .*{name} must end in .npz or .safetensors"):
            tl.save({}, tmp_path / name)
        with pytest.raises(ValueError, match=rf"load: .*{name} must end in"):
            tl.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"save: there is no folder .*missing"):
        tl.save({}, tmp_path / "missing" / "a.npz")
    with pytest.raises(FileNotFoundError, match=r"load: there is no file .*a.npz"):
        tl.load(tmp_path / "a.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder.npz is a folder"):
        tl.save({}, tmp_path / "folder.npz")


def test_safetensors_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda path: tl.save({"w": np.ones(2)}, path), tl.load):
        path = tmp_path / "a.safetensors"
        if call is tl.load:
            path.write_bytes(b"1")
        with pytest.raises(ModuleNotFoundError, match=r"pip install tinygrad_lite\[examples\]"):
            call(path)
        assert io.load is tl.load
