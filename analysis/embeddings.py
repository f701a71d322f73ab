"""How far apart traces lie, from a matrix of their embeddings; whichever model made them.

Numbers of different encoders do not compare.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.statistic import Statistic, over_replicates, without_noise
from analysis.table import Cell
from sample.errors import UsageError

Floats = NDArray[np.float64]


def read_vectors(path: Path, attempts: int) -> Floats:
    """[attempt, dimension] of a .npy file, a row per record in their order; NaN = no trace.

    A row of zeros is no trace either: it has no direction.

    Raises:
        UsageError: no such file, no matrix of numbers, or one of another number of rows.
    """
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"--vectors: cannot read {path} as .npy: {error}") from None
    fits = isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype.kind in "fiu"
    if not fits or len(vectors) != attempts:
        shape = getattr(vectors, "shape", None)
        raise UsageError(
            f"--vectors: expected numbers of shape [{attempts}, dimension], a row per line of "
            f"attempts.jsonl (given: {shape}); make them anew from forage export"
        )
    known = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    return np.where(known[:, None], vectors, np.nan)


def trace_levels(cell: Cell, vectors: Floats, pooled: bool) -> dict[str, Statistic]:
    """trace_dispersion: of two attempts of a pool, or of one chain. trace_vendi: order 2, of N.

    vectors: [record, dimension]. The Vendi score grows with the number of traces, so both kinds of
    arm have it of groups of exactly N; a group that lacks a trace is left out.
    """
    seen = (cell.record >= 0)[..., None]
    traces = np.where(seen, vectors[cell.record], np.nan)  # [problem, replicate, step, dimension]
    problems, replicates, steps, width = traces.shape
    whole = ~np.isnan(traces).any(axis=(2, 3))
    scores = np.full(whole.shape, np.nan)
    scores[whole] = vendi(cosine_kernel(traces[whole]), 2)
    if pooled:
        spread = dispersion(traces.reshape(problems, replicates * steps, width))
        apart = without_noise(spread, high=2.0, replicates=replicates)
    else:
        apart = over_replicates(dispersion(traces), 2.0)
    return {"trace_dispersion": apart, "trace_vendi": over_replicates(scores, float(steps))}


def dispersion(vectors: Floats) -> Floats:
    """Mean of 1 - cosine over all pairs of [..., trace, dimension]; NaN below 2 traces.

    A U-statistic, so unbiased whatever the number of traces; a trace of NaN is left out. Raises
    ValueError for a zero vector.
    """
    units = _units(vectors)
    n = (~np.isnan(units).any(axis=-1)).sum(axis=-1)
    total = (np.nansum(units, axis=-2) ** 2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n < 2, np.nan, 1 - (total - n) / (n * (n - 1)))


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
    if (norms == 0).any():
        raise ValueError("embeddings: a vector of length 0 has no direction")
    return vectors / norms
