"""tinygrad_lite.data: batches, splits, augmentation, and files that are found, refused or downloaded."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.data import (
    SOURCES,
    DataError,
    DataLoader,
    Images,
    Source,
    at_hand,
    cache_folder,
    digits,
    find,
    mnist,
    random_affine,
    stratified_split,
)
from tinygrad_lite.data.images import read_idx

# ----------------------------------------------------------------------------------- DataLoader

loaders = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 12), "shuffle": st.booleans(), "seed": st.none() | st.integers(0, 2**40)}
)


def epoch(loader: DataLoader) -> list[int]:
    return [i for batch in loader for i in batch.tolist()]


@given(n=st.integers(1, 40), options=loaders)
def test_every_item_comes_once_an_epoch(n, options):
    loader = DataLoader(np.arange(n), **options)
    for _ in range(2):
        order = epoch(loader)
        assert sorted(order) == list(range(n))
        assert options["shuffle"] or order == list(range(n))


@given(n=st.integers(1, 40), drop_last=st.booleans(), options=loaders)
def test_the_number_and_sizes_of_batches(n, drop_last, options):
    loader = DataLoader(np.arange(n), drop_last=drop_last, **options)
    sizes = [len(batch) for batch in loader]
    assert len(sizes) == len(loader)
    assert all(size == options["batch_size"] for size in sizes[:-1])
    assert sum(sizes) == (n - n % options["batch_size"] if drop_last else n)


@given(n=st.integers(1, 40), options=loaders)
def test_items_of_all_arrays_stay_together(n, options):
    x = np.arange(n * 6, dtype=np.float64).reshape(n, 2, 3)
    for xs, ys in DataLoader(x, np.arange(n), **options):
        np.testing.assert_array_equal(xs.numpy(), x[ys.numpy()])


@given(n=st.integers(20, 60), seed=st.integers(0, 2**40))
def test_the_same_seed_gives_the_same_epochs_and_each_epoch_another_order(n, seed):
    first, again = (DataLoader(np.arange(n), batch_size=7, shuffle=True, seed=seed) for _ in range(2))
    orders = [epoch(first) for _ in range(3)]
    assert orders == [epoch(again) for _ in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_an_epoch_left_early_does_not_change_the_next():
    a, b = (DataLoader(np.arange(30), batch_size=4, shuffle=True, seed=3) for _ in range(2))
    next(iter(a)), epoch(b)
    assert epoch(a) == epoch(b)


def test_setting_the_epoch_resumes():
    loader, resumed = (DataLoader(np.arange(30), shuffle=True, seed=3) for _ in range(2))
    epoch(loader)
    resumed.epoch = 1
    assert epoch(loader) == epoch(resumed)


@given(n=st.integers(1, 40), options=loaders, given=st.integers(0, 60), drop_last=st.booleans(), noisy=st.booleans())
def test_a_loader_goes_on_from_the_state_of_another_exactly(n, options, given, drop_last, noisy):
    transform = (lambda x, rng: x + rng.normal()) if noisy else None
    loader, other = (
        DataLoader(np.arange(n) / 2, drop_last=drop_last, transform=transform, **options) for _ in range(2)
    )
    if not len(loader):
        return
    tl.manual_seed(1)
    for _ in range(given // len(loader)):
        list(loader)
    rest = iter(loader)
    for _ in range(given % len(loader)):
        next(rest)
    state = json.dumps({"loader": loader.state_dict(), "random": tl.generator().bit_generator.state})
    expected = [batch.tolist() for batch in rest] + epoch(loader)
    state = json.loads(state)
    other.load_state_dict(state["loader"])
    assert other.state_dict() == state["loader"]
    tl.manual_seed(2).bit_generator.state = state["random"]
    assert [batch.tolist() for batch in other] + epoch(other) == expected


@pytest.mark.parametrize("change", [{"batch_size": 3}, {"shuffle": False}, {"seed": 1}, {"drop_last": True}])
def test_the_state_of_a_loader_that_was_made_otherwise_is_refused(change):
    options = {"batch_size": 2, "shuffle": True, "seed": 0, "drop_last": False}
    other = DataLoader(range(9), **{**options, **change})
    (name,) = change
    with pytest.raises(ValueError, match=f"a loader with {name}={options[name]} and not {change[name]}"):
        other.load_state_dict(DataLoader(range(9), **options).state_dict())
    assert other.epoch == 0
    with pytest.raises(ValueError, match="items=8 and not 9"):
        other.load_state_dict(DataLoader(range(8), **{**options, **change}).state_dict())


def test_without_a_seed_manual_seed_decides():
    loader = DataLoader(np.arange(50), shuffle=True)
    tl.manual_seed(7)
    orders = [epoch(loader) for _ in range(2)]
    tl.manual_seed(7)
    assert [epoch(loader) for _ in range(2)] == orders
    assert orders[0] != orders[1]


def test_no_random_number_is_drawn_without_need():
    tl.manual_seed(1)
    state = tl.generator().bit_generator.state
    epoch(DataLoader(np.arange(5)))
    epoch(DataLoader(np.arange(5), shuffle=True, seed=0))
    assert tl.generator().bit_generator.state == state


def test_one_array_gives_tensors_and_several_give_tuples():
    (batch,) = DataLoader([1.0, 2.0], batch_size=2)
    assert isinstance(batch, tl.Tensor) and batch.dtype == np.float32
    ((x, y),) = DataLoader(tl.tensor([[1.0], [2.0]]), range(2), batch_size=2)
    assert x.shape == (2, 1) and y.dtype == np.int64


def test_two_iterators_of_a_loader_do_not_disturb_each_other():
    loader = DataLoader(np.arange(9), batch_size=2)
    assert [(a.tolist()[0], b.tolist()[0]) for a, b in zip(loader, loader)] == [(k, k) for k in range(0, 9, 2)]


def test_a_batch_is_a_copy():
    data = np.zeros((4, 2))
    (batch,) = DataLoader(data, batch_size=4, transform=lambda x, rng: np.add(x, 1, out=x))
    assert (batch.numpy() == 1).all() and not data.any()


def test_a_transform_sees_the_batch_and_a_generator_that_follows_from_the_seed():
    def noisy(x, y, rng):
        assert isinstance(x, np.ndarray) and isinstance(rng, np.random.Generator)
        return x + rng.normal(size=x.shape), y * 10

    loader, again = (
        DataLoader(np.zeros((5, 3)), np.arange(5), batch_size=2, seed=4, transform=noisy) for _ in range(2)
    )
    epochs = [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(2)]
    assert epochs == [[(x.tolist(), y.tolist()) for x, y in again] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert [y for _, y in epochs[0]] == [[0, 10], [20, 30], [40]]


def test_a_buffer_that_a_transform_reuses_does_not_change_earlier_batches():
    buffer = np.empty(2)

    def reuse(x, rng):
        buffer[:] = x
        return buffer

    first, second = DataLoader(np.arange(4.0), batch_size=2, transform=reuse)
    assert first.tolist() == [0, 1] and second.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("arrays", "options", "error", "words"),
    [
        ((), {}, ValueError, "got no arrays"),
        ((np.zeros((0, 3)),), {}, ValueError, "are empty"),
        (([],), {}, ValueError, "are empty"),
        ((np.zeros(3), np.zeros(4)), {}, ValueError, r"have \[3, 4\] items"),
        ((np.zeros(3), 32), {}, TypeError, "batch size is given by name"),
        ((np.zeros(3), np.array(1.0)), {}, ValueError, "0-d array"),
        ((object(),), {}, TypeError, "argument 0 is a object"),
        ((Images(np.zeros((3, 1)), np.zeros(3)),), {}, TypeError, r"DataLoader\(\*data"),
        ((iter([1, 2]),), {}, TypeError, "pass images and labels as arrays"),
        ((["a", "b"],), {}, TypeError, "no array of numbers"),
        (([[1], [1, 2]],), {}, TypeError, "no array of numbers"),
        ((np.zeros(3),), {"batch_size": 0}, ValueError, "at least 1"),
        ((np.zeros(3),), {"batch_size": 2.5}, TypeError, "whole number"),
        ((np.zeros(3),), {"batch_size": None}, TypeError, "whole number"),
        ((np.zeros(3),), {"seed": -1}, ValueError, "seed"),
        ((np.zeros(3),), {"seed": "a"}, ValueError, "seed"),
        ((np.zeros(3),), {"transform": 3}, TypeError, "transform is a function"),
    ],
)
def test_a_loader_refuses(arrays, options, error, words):
    with pytest.raises(error, match=words):
        DataLoader(*arrays, **options)


@pytest.mark.parametrize("answer", [None, np.zeros(2), (np.zeros(2),)])
def test_a_transform_that_forgets_an_array_is_named(answer):
    loader = DataLoader(np.zeros(2), np.zeros(2), transform=lambda x, y, rng: answer)
    with pytest.raises(TypeError, match="given 2 arrays and must return as many"):
        next(iter(loader))


# ------------------------------------------------------------------------- splits, augmentation


@given(
    counts=st.lists(st.integers(2, 30), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_a_split_is_stratified(counts, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rest, held = stratified_split(labels, fraction, seed)
    assert sorted([*rest, *held]) == list(range(len(labels)))
    assert (np.diff(rest) > 0).all() and (np.diff(held) > 0).all()
    for k, count in enumerate(counts):
        n = (labels[held] == k).sum()
        assert 1 <= n <= count - 1
        assert abs(n - fraction * count) < 1 or n in (1, count - 1)
    again = stratified_split(labels, fraction, seed)
    assert (again[0] == rest).all() and (again[1] == held).all()


def test_a_split_has_the_size_asked_for_and_follows_the_seed():
    labels = np.repeat(np.arange(10), 13)
    _, held = stratified_split(labels, 0.25)
    assert len(held) == round(0.25 * 130)
    assert not np.array_equal(held, stratified_split(labels, 0.25, seed=1)[1])
    assert stratified_split(tl.tensor([0, 0, 1, 1]), 0.5)[1].shape == (2,)
    assert stratified_split(["cat", "cat", "dog", "dog"], 0.5)[1].shape == (2,)


@pytest.mark.parametrize(
    ("labels", "fraction", "words"),
    [
        ([], 0.5, "needs N labels"),
        ([[0, 1]], 0.5, "needs N labels"),
        ([0, 0, 1, 1], 0, "between 0 and 1"),
        ([0, 0, 1, 1], 1.0, "between 0 and 1"),
        ([0, 0, 1, 1], float("nan"), "between 0 and 1"),
        ([0, 0, 7], 0.5, "class .*7.* has one item"),
    ],
)
def test_a_split_refuses(labels, fraction, words):
    with pytest.raises(ValueError, match=words):
        stratified_split(labels, fraction)


@given(shape=st.tuples(*[st.integers(1, 5)] * 2, *[st.integers(1, 9)] * 2), dtype=st.sampled_from("fd"))
def test_an_affine_change_of_nothing_is_the_image(shape, dtype):
    images = np.random.default_rng(0).random(shape).astype(dtype)
    same = random_affine(images, np.random.default_rng(0))
    assert same.dtype == images.dtype
    np.testing.assert_allclose(same, images, atol=1e-6)


def test_an_affine_change_moves_turns_and_leaves_zeros():
    rng = np.random.default_rng(0)
    images = np.zeros((200, 2, 9, 9), np.float32)
    images[:, :, 4, 4] = 1
    moved = random_affine(images, rng, shift=2)
    np.testing.assert_allclose(moved.sum((2, 3)), 1, rtol=1e-4)  # what moves stays whole
    np.testing.assert_array_equal(moved[:, 0], moved[:, 1])  # all channels move together
    row = (moved[:, 0].sum(2) @ np.arange(9.0)) - 4
    assert abs(row.mean()) < 0.3 and 1.8 < row.max() <= 2 and -2 <= row.min() < -1.8
    turned = random_affine(images, rng, rotate=90, scale=0.2, shear=0.2)
    np.testing.assert_allclose(turned[:, 0, 4, 4], 1, atol=1e-5)  # the middle stays in its place
    assert not random_affine(images, rng, shift=100)[np.abs(row).argmax()].all()


def test_an_affine_change_agrees_with_scipy():
    ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")
    image = np.random.default_rng(1).random((1, 1, 7, 11))
    rng = np.random.default_rng(2)
    (turn, slant), (tall, wide) = rng.uniform(-1, 1, (2, 2, 1))[..., 0]
    down, right = rng.uniform(-2, 2, 2)
    a, tall, wide = np.deg2rad(30) * turn, 1.3**tall, 1.3**wide
    matrix = [[tall * np.cos(a), -tall * np.sin(a)], [wide * np.sin(a) + 0.2 * slant, wide * np.cos(a)]]
    middle = np.array([3.0, 5.0])
    offset = middle + [down, right] - matrix @ middle
    theirs = ndimage.affine_transform(image[0, 0], matrix, offset, order=1, mode="grid-constant")
    ours = random_affine(image, np.random.default_rng(2), rotate=30, scale=0.3, shear=0.2, shift=2)
    np.testing.assert_allclose(ours[0, 0], theirs, atol=1e-12)


def test_an_affine_change_refuses():
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="floating-point images, got uint8"):
        random_affine(np.zeros((1, 1, 3, 3), np.uint8), rng)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got shape \(3, 3\)"):
        random_affine(np.zeros((3, 3)), rng)


# ---------------------------------------------------------------------------------------- files

CONTENT = b"the file as it should be"


def source(*urls: str) -> Source:
    return Source("letters", "none", "none", urls, {"a.gz": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The data folder and the cache folder, both empty, and no way out to a network."""
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("tinygrad_lite.data.files.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "data" / "letters", tmp_path / "cache" / "letters"


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.gz").write_bytes(content)
    return folder / "a.gz"


@pytest.fixture
def server(tmp_path):
    """A server on this machine for the files in tmp_path/served."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    handler.log_message = None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def test_a_file_is_found_in_the_data_folder_before_the_cache(folders):
    in_data, in_cache = put(folders[0]), put(folders[1])
    assert find(source(), "a.gz") == in_data
    in_data.unlink()
    assert find(source(), "a.gz") == in_cache


def test_at_hand_is_what_is_found_without_a_download(folders):
    assert at_hand(source("http://127.0.0.1:9/"), "a.gz") is None
    path = put(folders[1])
    assert at_hand(source(), "a.gz") == path


def test_a_file_may_have_another_address_or_none(folders):
    files = dict.fromkeys(("a", "b", "c"), "0" * 64)
    known = Source("letters", "", "", ("http://x/",), files, elsewhere={"b": ("http://y/z",), "c": ()})
    assert [known.addresses(name) for name in files] == [("http://x/a",), ("http://y/z",), ()]
    with pytest.raises(DataError, match="c is not on this machine[^~]*has no address"):
        find(known, "c")


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("content", [CONTENT[:-1], b"", b"<html>not here</html>"])
def test_a_file_with_another_sha256_is_refused_by_name(folders, place, content):
    path = put(folders[place], content)
    with pytest.raises(DataError) as error:
        find(source("http://127.0.0.1:9/"), "a.gz")
    for word in (str(path), source().files["a.gz"], hashlib.sha256(content).hexdigest(), "Delete or replace"):
        assert word in str(error.value)
    assert path.read_bytes() == content


def test_a_file_is_downloaded_from_the_first_address_that_has_it(folders, server, tmp_path):
    pytest.importorskip("pooch", reason="pooch is not installed")
    put(tmp_path / "served")
    found = find(source(server + "elsewhere/", server), "a.gz")
    assert found == folders[1] / "a.gz" and found.read_bytes() == CONTENT
    (tmp_path / "served" / "a.gz").unlink()
    assert find(source(server), "a.gz") == found  # and is there the next time


def test_a_download_with_another_sha256_leaves_nothing_behind(folders, server, tmp_path):
    pytest.importorskip("pooch", reason="pooch is not installed")
    put(tmp_path / "served", b"something else")
    with pytest.raises(DataError, match="does not match"):
        find(source(server), "a.gz")
    assert not list(folders[1].glob("*"))


@pytest.mark.parametrize("data_folder", [True, False])
def test_without_a_network_the_error_says_what_to_do(folders, monkeypatch, data_folder):
    pytest.importorskip("pooch", reason="pooch is not installed")
    if not data_folder:
        monkeypatch.delenv("TINYGRAD_LITE_DATA")
    urls = ("http://127.0.0.1:9/one/", "http://127.0.0.1:9/two/")  # nothing listens there
    with pytest.raises(DataError) as error:
        find(source(*urls), "a.gz")
    places = [str(folders[1]), str(folders[0]) if data_folder else "$TINYGRAD_LITE_DATA/letters"]
    for word in ("letters: a.gz", *(url + "a.gz" for url in urls), source().files["a.gz"], *places):
        assert word in str(error.value)


def test_without_pooch_the_error_says_what_to_do(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError) as error:
        find(source("http://127.0.0.1:9/"), "a.gz")
    for word in ("pip install tinygrad_lite[examples]", "http://127.0.0.1:9/a.gz", str(folders[0]), str(folders[1])):
        assert word in str(error.value)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no data set 'emnist'; there are digits, mnist"):
        find("emnist", "a.gz")
    with pytest.raises(ValueError, match=r"mnist has no file 'a\.gz'; it has train-images"):
        find("mnist", "a.gz")


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tinygrad_lite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "tinygrad_lite"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "tinygrad_lite"


def test_every_source_is_documented():
    for name, known in SOURCES.items():
        assert known.name == name and known.licence and known.citation
        assert all(url.endswith("/") for url in known.urls) and set(known.elsewhere) <= set(known.files)
        assert all(len(sha) == 64 for sha in known.files.values())


# ----------------------------------------------------------------------------------- data sets


def test_digits():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1 and (images * 16 % 1 == 0).all()
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert repr(digits()) == "Images(images=float32[1797, 1, 8, 8], labels=int64[1797])"


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install tinygrad_lite\[examples\]"):
        digits()


def has_mnist() -> bool:
    folders = [Path(os.environ.get("TINYGRAD_LITE_DATA", "/nowhere")), cache_folder()]
    return any(all((folder / "mnist" / file).exists() for file in SOURCES["mnist"].files) for folder in folders)


@pytest.mark.skipif(not has_mnist(), reason="MNIST is neither in TINYGRAD_LITE_DATA nor in the cache")
def test_mnist():
    train, test = mnist()
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert train.images.dtype == test.images.dtype == np.float32
    assert train.images.min() == 0 and train.images.max() == 1
    assert abs(train.images.mean(dtype=float) - 0.1307) < 1e-4 and abs(train.images.std(dtype=float) - 0.3081) < 1e-4
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_refuses_a_damaged_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match="is not the file that is expected"):
        mnist()


def test_an_idx_file_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])))
    assert read_idx(path, (3,)).tolist() == [7, 8, 9]
    with pytest.raises(DataError, match=r"holds \(3,\) where \(4,\) is expected"):
        read_idx(path, (4,))
