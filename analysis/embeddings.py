"""How far apart traces lie, from a matrix of their embeddings; whichever model made them.

Freeze the encoder in the config: numbers of different encoders do not compare.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def dispersion(vectors: Floats) -> Floats:
    """Mean of 1 - cosine over all pairs of [..., trace, dimension]; NaN below 2 traces.

    A U-statistic, so unbiased whatever the number of traces. Raises ValueError for a zero vector.
    """
    units = _units(vectors)
    n = units.shape[-2]
    if n < 2:
        return np.full(units.shape[:-2], np.nan)
    total = (units.sum(axis=-2) ** 2).sum(axis=-1)
    return 1 - (total - n) / (n * (n - 1))


def cosine_kernel(vectors: Floats) -> Floats:
    """[..., trace, trace] cosines of [..., trace, dimension]. Raises ValueError for a zero vector.

    A kernel for ``vendi`` as long as it is positive semi-definite, which cosines always are.
    """
    units = _units(vectors)
    return units @ np.swapaxes(units, -1, -2)


def vendi(kernel: Floats, q: float = 1.0) -> Floats:
    """Vendi score of order q: the Hill number of the eigenvalues of K / n (arXiv 2210.02410).

    kernel: [..., n, n], positive semi-definite with ones on the diagonal. With the identity
    kernel it is the plug-in Hill number of the answers, and like it grows with n: compare equal n
    only, or take q = 2, which grows less. q = infinity: 1 over the largest eigenvalue.
    Raises ValueError for q < 0 or a diagonal that is not 1.
    """
    n = kernel.shape[-1]
    if q < 0 or not np.allclose(np.diagonal(kernel, axis1=-2, axis2=-1), 1):
        raise ValueError("vendi: needs q >= 0 and a kernel with ones on its diagonal")
    shares = np.clip(np.linalg.eigvalsh(kernel / n), 0, None)
    positive = shares > 1e-12
    if q == 1:
        logs = np.log(np.where(positive, shares, 1.0))
        return np.exp(-(shares * logs).sum(axis=-1))
    if np.isinf(q):
        return 1 / shares.max(axis=-1)
    powers = np.where(positive, np.where(positive, shares, 1.0) ** q, 0.0)
    return powers.sum(axis=-1) ** (1 / (1 - q))


def _units(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (norms > 0).all():
        raise ValueError("embeddings: a vector of length 0 has no direction")
    return vectors / norms
