"""The data sets: what their files hold, where those are at hand, and how files of their formats are read."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lite import data
from tinygrad_lite.data import CLASSES, SOURCES, DataError, Source, TrainTest, Vocabulary, cache_folder, words
from tinygrad_lite.data.corpora import plain_text, read_analogies, read_dump, read_pairs
from tinygrad_lite.data.images import CIFAR_RECORD, cifar_records
from tinygrad_lite.data.sentences import read_csv, read_questions, read_reviews
from tinygrad_lite.data.tables import read_adult

# --------------------------------------------------------------------------------- the real files


def real(name: str, *files: str) -> pytest.MarkDecorator:
    """Skip where files of a data set (all of them, if none is named) are not on this machine."""
    folders = [Path(os.environ.get("TINYGRAD_LITE_DATA") or "/nowhere") / name, cache_folder() / name]
    there = any(all((folder / file).exists() for file in files or SOURCES[name].files) for folder in folders)
    return pytest.mark.skipif(not there, reason=f"{name} is neither in TINYGRAD_LITE_DATA nor in the cache")


@real("fashion-mnist")
def test_fashion_mnist():
    train, test = data.fashion_mnist()
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert train.images.dtype == np.float32 and train.labels.dtype == np.int64
    assert abs(train.images.mean(dtype=float) - 0.2860) < 1e-4 and abs(train.images.std(dtype=float) - 0.3530) < 1e-4
    assert set(np.bincount(train.labels)) == {6000} and set(np.bincount(test.labels)) == {1000}


@real("cifar10", "data_batch_1.bin.gz", "data_batch_2.bin.gz", "test_batch_first1000.bin.gz")
def test_cifar10_subset():
    train, test = data.cifar10_subset()
    assert train.images.shape == (20000, 3, 32, 32) and test.images.shape == (1000, 3, 32, 32)
    assert train.images.dtype == np.float32 and train.images.min() == 0 and train.images.max() == 1
    counts = [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
    assert np.bincount(train.labels[:10_000]).tolist() == counts
    assert np.bincount(test.labels).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    # Near the published values of all 50,000.
    np.testing.assert_allclose(train.images.mean((0, 2, 3), dtype=float), [0.4914, 0.4822, 0.4465], atol=0.002)


@real("omniglot", "images_background_small1.zip", "images_background_small2.zip")
def test_omniglot_subset():
    pytest.importorskip("PIL", reason="pillow is not installed")
    images, labels, drawers, names = data.omniglot_subset()
    assert images.shape == (4840, 1, 28, 28) and images.dtype == np.float32
    assert len(names) == 242 and len({name.split("/")[0] for name in names}) == 8
    assert set(np.bincount(labels)) == {20} and set(np.bincount(drawers)) == {242}
    assert images.min() == 0 and images.max() == 1 and 0.05 < images.mean() < 0.12  # ink is 1, and little of it


@real("omniglot", "all_runs.zip")
def test_omniglot_one_shot():
    pytest.importorskip("PIL", reason="pillow is not installed")
    trials = data.omniglot_one_shot()
    assert len(trials) == 20
    right = []
    for train, test, labels in trials:
        assert train.shape == test.shape == (20, 1, 28, 28) and sorted(labels) == list(range(20))
        distances = ((test.reshape(20, 1, -1) - train.reshape(1, 20, -1)) ** 2).sum(-1)
        right.append((distances.argmin(1) == labels).mean())
    assert 0.15 < np.mean(right) < 0.35  # the nearest pixels are well above chance, 0.05, and far from people


@real("rt-polarity")
def test_rt_polarity():
    texts, labels, classes = data.rt_polarity()
    assert len(texts) == 10662 and np.bincount(labels).tolist() == [5331, 5331]
    assert texts[0] == "simplistic , silly and tedious ." and classes[labels[0]] == "negative"
    assert all(texts) and "\n" not in "".join(texts) and any("é" in text for text in texts)


@real("subjectivity")
def test_subjectivity():
    texts, labels, classes = data.subjectivity()
    assert len(texts) == 10000 and np.bincount(labels).tolist() == [5000, 5000] and all(texts)
    assert texts[0].startswith("the movie begins in the past") and classes[0] == "objective"


@real("sst2")
def test_sst2():
    parts = data.sst2()
    assert [np.bincount(part.labels).tolist() for part in parts] == [[3310, 3610], [428, 444], [912, 909]]
    assert parts.dev.texts[0] == "One long string of cliches." and parts.dev.labels[0] == 0
    assert repr(parts.dev) == "Texts(872 texts, labels=int64[872], ('negative', 'positive'))"


@real("trec-qc")
def test_trec():
    train, test = data.trec()
    assert train.classes == test.classes == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    assert np.bincount(train.labels).tolist() == [86, 1162, 1250, 1223, 835, 896] and len(test.texts) == 500
    assert test.texts[0] == "How far is it from Denver to Aspen ?"
    fine = data.trec(fine=True).train
    assert len(fine.classes) == 50 and fine.classes[fine.labels[0]] == "DESC:manner"


@real("imdb", "aclImdb-slice-20k.tar.gz")
def test_imdb_subset():
    train, test = data.imdb_subset()
    assert np.bincount(train.labels).tolist() == [7500, 7500] and np.bincount(test.labels).tolist() == [2500, 2500]
    assert train.texts[0].startswith("Story of a man who has unnatural feelings") and train.labels[:2].tolist() == [
        0,
        1,
    ]


@real("tinyshakespeare")
def test_tiny_shakespeare():
    text = data.tiny_shakespeare()
    assert len(text) == 1_115_394 and len(set(text)) == 65 and text.startswith("First Citizen:")


@real("wiki")
def test_wikipedia_sample_and_wikitext2():
    articles = data.wikipedia_sample()
    assert len(articles) == 106 and articles[0].startswith("Anarchism is a political philosophy that advocates")
    text = " ".join(articles)
    assert 400_000 < len(text.split()) < 500_000
    assert not any(markup in text for markup in ("[[", "]]", "}}", "<ref", "{|", "http://"))
    for part, tokens, lines in (("valid", 213_886, 217_646 - 213_886), ("test", 241_211, 245_569 - 241_211)):
        text = data.wikitext2(part)
        assert len(text.split()) == tokens and text.count("\n") == lines


@real("word2vec-eval")
def test_analogies_and_similarities():
    sections = data.analogies()
    syntactic = [name for name in sections if name.startswith("gram")]
    assert len(sections) == 14 and len(syntactic) == 9
    assert sum(map(len, sections.values())) == 19_544 and sum(len(sections[name]) for name in syntactic) == 10_675
    assert sections["capital-common-countries"][0] == ("Athens", "Greece", "Baghdad", "Iraq")
    assert len(data.word_similarity()) == 353 and data.word_similarity("simlex999")[0] == ("old", "new", 1.58)


@real("adult")
def test_adult():
    train, test = data.adult()
    assert np.bincount(train.labels).tolist() == [24720, 7841] and np.bincount(test.labels).tolist() == [12435, 3846]
    assert train.columns["age"][:3].tolist() == [39, 50, 38] and train.columns["age"].dtype == np.int64
    assert train.columns["sex"][0] == "Male" and len(train.columns) == 14
    unknown = [
        np.any([c == "?" for c in part.columns.values() if c.dtype.kind == "U"], 0).sum() for part in (train, test)
    ]
    assert unknown == [2399, 1221]
    assert set(test.columns["workclass"]) == set(train.columns["workclass"])


@pytest.mark.parametrize(
    ("loader", "error"),
    [(data.wikitext2, "'valid' or 'test', got 'train'"), (data.word_similarity, "wordsim353, simlex999; got 'train'")],
)
def test_unknown_parts_are_refused(loader, error):
    with pytest.raises(ValueError, match=error):
        loader("train")


# ------------------------------------------------------- wholes and subsets, from files made here


@pytest.fixture
def put(tmp_path, monkeypatch):
    """put(set, file, content): lay a file into an empty data folder, and let it be the right one."""
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path))
    monkeypatch.setattr("tinygrad_lite.data.files.cache_folder", lambda: tmp_path / "cache")
    sources = {name: Source(name, "", "", (), dict(source.files)) for name, source in SOURCES.items()}
    monkeypatch.setattr("tinygrad_lite.data.files.SOURCES", sources)

    def lay(name: str, file: str, content: bytes) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_bytes(content)
        sources[name].files[file] = hashlib.sha256(content).hexdigest()

    return lay


def tar(files: dict[str, bytes]) -> bytes:
    """A tar.gz of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def batch(label: int, n: int = 100) -> bytes:
    """A batch of CIFAR-10 whose pictures are all of one label, and dark."""
    records = np.zeros((n, CIFAR_RECORD), np.uint8)
    records[:, 0] = label
    return records.tobytes()


def test_cifar10_is_whole_or_says_what_it_is(put, monkeypatch):
    monkeypatch.setattr("tinygrad_lite.data.images.CIFAR_BATCH", 100)
    with pytest.raises(DataError) as error:
        data.cifar10_subset()
    assert "cifar-10-binary.tar.gz is not on this machine" in str(error.value)
    for file, content in {
        "data_batch_1": batch(1),
        "data_batch_2": batch(2),
        "test_batch_first1000": batch(3, 10),
    }.items():
        put("cifar10", f"{file}.bin.gz", gzip.compress(content, 1))
    train, test = data.cifar10_subset()
    assert np.bincount(train.labels).tolist() == [0, 100, 100] and set(test.labels) == {3}
    with pytest.raises(DataError, match=r"cifar10_subset\(\) is at hand"):
        data.cifar10()
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    put(
        "cifar10",
        "cifar-10-binary.tar.gz",
        tar({f"cifar-10-batches-bin/{n}.bin": batch(k) for k, n in enumerate(names)}),
    )
    train, test = data.cifar10_subset()  # the whole set comes first
    assert np.bincount(train.labels).tolist() == [100, 100] and test.labels.tolist() == [5] * 10
    train, test = data.cifar10()
    assert np.bincount(train.labels).tolist() == [100] * 5 and test.labels.tolist() == [5] * 100


def test_a_record_of_cifar10():
    pixels = np.arange(3072) % 256
    images, labels = cifar_records(bytes([7, *pixels.tolist()]), 1)
    assert labels.tolist() == [7] and images.shape == (1, 3, 32, 32)
    np.testing.assert_array_equal(np.rint(images[0] * 255), pixels.reshape(3, 32, 32))
    with pytest.raises(DataError, match="3,073 bytes where 2 records of 3,073 are expected"):
        cifar_records(bytes(3073), 2)


def test_reviews_are_chosen_by_number_and_class(put, tmp_path):
    reviews = {f"aclImdb/{p}/{c}/{k}_{7 - k}.txt": f"{p} {c} {k} é".encode() for p in ("train", "test")
               for c in ("pos", "neg") for k in (2, 0, 1)}  # fmt: skip
    content = tar({**reviews, "aclImdb/train/unsup/0_0.txt": b"no label", "aclImdb/README": b""})
    (tmp_path / "a.tar.gz").write_bytes(content)
    train, test = read_reviews(tmp_path / "a.tar.gz", 2, 1)
    assert train.texts == ["train neg 0 é", "train pos 0 é", "train neg 1 é", "train pos 1 é"]
    assert train.labels.tolist() == [0, 1, 0, 1] and len(test.texts) == 2
    with pytest.raises(DataError, match="holds 6 of the reviews to train where 8 are expected"):
        read_reviews(tmp_path / "a.tar.gz", 4, 1)
    put("imdb", "aclImdb-slice-20k.tar.gz", content)
    with pytest.raises(DataError, match=r"imdb_subset\(\) is at hand"):
        data.imdb()


def drawing(row: int) -> bytes:
    """A PNG file of an Omniglot character: one black row on white."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[row] = 0
    out = io.BytesIO()
    image.fromarray(pixels).convert("1").save(out, "PNG")
    return out.getvalue()


def test_characters_are_read_once_each(put):
    def archive(*characters: str) -> bytes:
        return zipped({f"part/{name}/{9000 + k}_{who:02}.png": drawing(10 * k + who)
                       for k, name in enumerate(characters) for who in (2, 1)})  # fmt: skip

    put("omniglot", "images_background_small1.zip", archive("Greek/character01", "Latin/character02"))
    put("omniglot", "images_background_small2.zip", archive("Latin/character02", "Bengali/character01"))
    images, labels, drawers, names = data.omniglot_subset(size=105)
    assert names == ("Bengali/character01", "Greek/character01", "Latin/character02")
    assert labels.tolist() == [0, 0, 1, 1, 2, 2] and drawers.tolist() == [0, 1] * 3
    assert images.dtype == np.float32 and images[2, 0].sum() == 105 and (images[2, 0, 1] == 1).all()
    reduced = data.omniglot_subset(size=21).images
    assert reduced.shape == (6, 1, 21, 21) and np.allclose(reduced[2, 0, 0], 0.2) and not reduced[2, 0, 1:].any()
    with pytest.raises(ValueError, match="size is 1 to 105"):
        data.omniglot_subset(size=0)


def test_a_one_shot_trial_names_the_right_answer(put):
    files = {}
    for run in (f"run{k:02}" for k in range(1, 21)):
        pairs = [f"{run}/test/item{k:02}.png {run}/training/class{20 - k:02}.png" for k in range(20)]
        files[f"{run}/class_labels.txt"] = "\n".join(pairs).encode()
        files |= {f"{run}/test/item{k:02}.png": drawing(5 * k) for k in range(20)}
        files |= {f"{run}/training/class{20 - k:02}.png": drawing(5 * k) for k in range(20)}
    put("omniglot", "all_runs.zip", zipped(files))
    for train, test, labels in data.omniglot_one_shot(size=105):
        np.testing.assert_array_equal(train[labels], test)


# ------------------------------------------------------------------------------- text and tables


def test_questions_and_their_classes():
    lines = b"DESC:manner How did it end ?\nENTY:cremat What is caf\xe9 ?\n"
    assert read_questions(lines, fine=False) == [("DESC", "How did it end ?"), ("ENTY", "What is café ?")]
    assert read_questions(lines, fine=True)[1][0] == "ENTY:cremat"


def test_a_csv_with_commas_and_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('label,sentence\n1,"No, ""yes"""\n0,plain\n', "utf-8")
    texts, labels, _ = read_csv(path, 2)
    assert texts == ['No, "yes"', "plain"] and labels.tolist() == [1, 0]
    with pytest.raises(DataError, match="holds 2 sentences where 3 are expected"):
        read_csv(path, 3)


def test_sections_of_analogies_and_pairs():
    assert read_analogies(": one two\na b c d\n: three\n") == {"one two": [("a", "b", "c", "d")], "three": []}
    assert read_pairs("# comment\nold\tnew\t1.5\n") == [("old", "new", 1.5)]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Ant''' and ''bee''", "Ant and bee"),
        ("[[insect|Insects]] of [[Europe]]", "Insects of Europe"),
        ("a{{x|{{y}}|z}}b", "ab"),
        ("{| class=x\n| 1\n{|\n| in\n|}\n|}after", "after"),
        ("[[File:a.jpg|thumb|A [[link]] here]]Text[[de:Ameise]]", "Text"),
        ('one<ref name="a"/> two<ref>\nbook</ref> three<!-- no -->', "one two three"),
        ("== History ==\n* first\n:: second", "History\nfirst\nsecond"),
        ("[http://a.b See this] and http://c.d/e", "See this and"),
        ("a &amp;nbsp; b &lt;br&gt;", "a b <br>"),
    ],
)
def test_markup_becomes_plain_text(markup, text):
    assert plain_text(markup) == text


def test_only_articles_of_a_dump_are_read():
    def page(ns: int, text: str, redirect: str = "") -> str:
        return f"<page><ns>{ns}</ns>{redirect}<revision><text>{text}</text></revision></page>"

    pages = page(0, "An '''article'''") + page(1, "Talk") + page(0, "#REDIRECT", '<redirect title="x"/>')
    dump = f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">{pages}</mediawiki>'
    assert read_dump(dump.encode()) == ["An article"]
    with pytest.raises(DataError, match="holds no articles"):
        read_dump(b"<mediawiki></mediawiki>")


def test_rows_of_adult():
    row = "39, Private, 77516, Bachelors, 13, ?, Sales, Husband, White, Male, 2174, 0, 40, Cuba, "
    table = read_adult(f"|1x3 Cross validator\n{row}>50K.\n{row}<=50K\n\n", 2)
    assert table.labels.tolist() == [1, 0] and table.columns["age"].tolist() == [39, 39]
    assert table.columns["marital-status"][0] == "?" and table.columns["native-country"][1] == "Cuba"
    assert repr(table).startswith("Table(2 rows of age, workclass")
    for text, n in ((row + ">50K\n", 2), (row + "x, >50K\n", 1)):
        with pytest.raises(DataError, match="of 15 values are expected"):
            read_adult(text, n)


# --------------------------------------------------------------------------------- the vocabulary


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't; won't!", ["i", "ca", "n't", ";", "wo", "n't", "!"]),
        ("The film's 3-D...", ["the", "film", "'s", "3-d", ".", ".", "."]),
        ("'quoted' words", ["'", "quoted", "'", "words"]),
        ("They've said they'll", ["they", "'ve", "said", "they", "'ll"]),
        ("Café_au lait", ["café", "_", "au", "lait"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_a_vocabulary_counts_and_orders():
    v = Vocabulary(["banana", "bandana"])
    assert v.words == ["<pad>", "<unk>", "a", "n", "b", "d"] and v.counts.tolist() == [0, 0, 6, 4, 2, 1]
    assert len(v) == 6 and "b" in v and "z" not in v
    assert v.encode("bz").tolist() == [4, 1] and v.decode(v.encode("nab")) == ["n", "a", "b"]
    assert v.encode("").dtype == np.int64
    rare = Vocabulary(["banana", "bandana"], min_count=2, max_size=4)
    assert rare.words == ["<pad>", "<unk>", "a", "n"] and rare.counts.tolist() == [0, 3, 6, 4]


def test_a_vocabulary_without_special_words_leaves_unknown_ones_out():
    v = Vocabulary([["a", "b"]], padding=None, unknown=None)
    assert v.words == ["a", "b"] and v.encode(["b", "z", "a"]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="has no padding word"):
        v.pad([["a"]])


def test_sentences_are_padded_and_cut():
    v = Vocabulary(["abc"])
    assert v.pad(["ab", "c"]).tolist() == [[2, 3], [4, 0]]
    assert v.pad(["abc", ""], length=2).tolist() == [[2, 3], [0, 0]]
    assert v.pad([], length=3).shape == (0, 3) and v.pad(["a"]).dtype == np.int64


def test_parts_and_classes_have_names():
    assert TrainTest(1, 2).test == 2 and data.TrainDevTest(1, 2, 3).dev == 2
    assert all(len(names) == 10 for names in CLASSES.values())
