"""Changes that are no bugs: the gradient stays what it was. Each with the reason; all else must be caught."""

TWO_WAYS = "chooses between two ways to the same numbers"

EQUIVALENT: dict[tuple[str, str], str] = {
    ("activations.logit_input", "1.0"): "stands in where the gradient is replaced anyhow",
    ("decompositions.turned", "w[..., None, :] - w[..., :, None] - one"): "only keeps a diagonal of 0 from 0/0",
    ("determinants._sign", "np.linalg.det(u) / np.linalg.det(vh)"): "both are 1 or -1",
    ("determinants._accurate_inverse", "np.linalg.norm(x, axis=(-2, -1))"): TWO_WAYS,
    ("determinants._accurate_inverse", "np.linalg.norm(inverse, axis=(-2, -1))"): TWO_WAYS,
    (
        "determinants._accurate_inverse",
        "np.linalg.norm(x, axis=(-2, -1)) / np.linalg.norm(inverse, axis=(-2, -1))",
    ): TWO_WAYS,
    ("determinants._accurate_inverse", "condition < np.finfo(x.dtype).eps ** (-0.25)"): TWO_WAYS,
    ("elementwise.keep", "g.size > 1000"): TWO_WAYS,
    ("elementwise.drop", "g.size > 1000"): TWO_WAYS,
    ("norms.vector_norm_x", "return -np.zeros_like(x)"): "minus zero",
    ("norms.vector_norm_x", "return np.zeros_like(x) * 1.01"): "a multiple of zero",
    ("recurrent.lstm_cell_back", "0"): "zeros, or the number 0, that are added",
    ("pooling.scatter_planes", "2"): "NumPy takes any negative length in a reshape for the one that is left",
    ("products.matmul_x", "2 < y.ndim"): TWO_WAYS,
    ("products.linear_input", "g.ndim > 3"): TWO_WAYS,
    ("selection.copysign_x", "g / (np.sign(x) * np.sign(out))"): "signs are 1 or -1",
    ("selection.copysign_x", "np.sign(x) / np.sign(out)"): "signs are 1 or -1",
}
"""(module.function, what stands there after the change) -> why it changes nothing."""
