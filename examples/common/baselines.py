"""What a method must beat to be worth its trouble."""

from __future__ import annotations

from tinygrad_lite.data import Images


def nearest_neighbour(train: Images, test: Images) -> float:
    """The accuracy of giving each test image the label of the training image whose pixels are nearest to its own."""
    known = train.images.reshape(len(train.labels), -1)
    squares = (known**2).sum(1)
    right = 0
    for k in range(0, len(test.labels), 500):
        unknown = test.images[k : k + 500].reshape(-1, known.shape[1])
        nearest = (squares - 2 * unknown @ known.T).argmin(1)
        right += int((train.labels[nearest] == test.labels[k : k + 500]).sum())
    return right / len(test.labels)
