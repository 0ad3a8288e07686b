"""Data: batches from arrays, a split that keeps the classes in proportion, and data sets by name.

batches.py   DataLoader, stratified_split
augment.py   small random changes to a batch of images
images.py    the data sets of pictures: digits, mnist
files.py     where a data set's files come from, and how one is found or downloaded
"""

from tinygrad_lite.data.augment import random_affine
from tinygrad_lite.data.batches import DataLoader, stratified_split
from tinygrad_lite.data.files import SOURCES, DataError, Source, cache_folder, find
from tinygrad_lite.data.images import Images, TrainTest, digits, mnist

__all__ = [
    "SOURCES",
    "DataError",
    "DataLoader",
    "Images",
    "Source",
    "TrainTest",
    "cache_folder",
    "digits",
    "find",
    "mnist",
    "random_affine",
    "stratified_split",
]
