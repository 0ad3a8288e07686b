"""Data: batches from arrays, a split that keeps the classes in proportion, and data sets by name.

batches.py     DataLoader, stratified_split
augment.py     small random changes to a batch of images
images.py      digits, MNIST, Fashion-MNIST, CIFAR-10
omniglot.py    Omniglot, whole, in part, and its one-shot trials
sentences.py   labelled sentences and reviews: rt-polarity, Subjectivity, SST-2, TREC, IMDB
corpora.py     running text: Tiny Shakespeare, Wikipedia, WikiText-2, text8; analogies and similarities of words
vocabulary.py  words and their numbers
tables.py      Adult
sources.py     where each comes from, its licence, the sha256 of its files
files.py       how a file is found or downloaded
"""

from tinygrad_lite.data.augment import random_affine
from tinygrad_lite.data.batches import DataLoader, stratified_split
from tinygrad_lite.data.corpora import analogies, text8, tiny_shakespeare, wikipedia_sample, wikitext2, word_similarity
from tinygrad_lite.data.files import DataError, at_hand, cache_folder, find
from tinygrad_lite.data.images import CLASSES, Images, cifar10, cifar10_subset, digits, fashion_mnist, mnist
from tinygrad_lite.data.omniglot import Characters, Trial, omniglot, omniglot_one_shot, omniglot_subset
from tinygrad_lite.data.parts import TrainDevTest, TrainTest
from tinygrad_lite.data.sentences import Texts, imdb, imdb_subset, rt_polarity, sst2, subjectivity, trec
from tinygrad_lite.data.sources import SOURCES, Source
from tinygrad_lite.data.tables import Table, adult
from tinygrad_lite.data.vocabulary import Vocabulary, words

__all__ = [
    "CLASSES",
    "SOURCES",
    "Characters",
    "DataError",
    "DataLoader",
    "Images",
    "Source",
    "Table",
    "Texts",
    "TrainDevTest",
    "TrainTest",
    "Trial",
    "Vocabulary",
    "adult",
    "analogies",
    "at_hand",
    "cache_folder",
    "cifar10",
    "cifar10_subset",
    "digits",
    "fashion_mnist",
    "find",
    "imdb",
    "imdb_subset",
    "mnist",
    "omniglot",
    "omniglot_one_shot",
    "omniglot_subset",
    "random_affine",
    "rt_polarity",
    "sst2",
    "stratified_split",
    "subjectivity",
    "text8",
    "tiny_shakespeare",
    "trec",
    "wikipedia_sample",
    "wikitext2",
    "word_similarity",
    "words",
]
