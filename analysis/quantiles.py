"""Tails and quantiles of the laws that intervals and tests rest on, as plain numbers.

``scipy.stats`` calls the same functions of ``scipy.special``, but takes half a second to import and
ten times as long for each number; an analysis needs thousands.
"""

from scipy import special


def normal_isf(tail: float) -> float:
    """z with P(Z > z) = tail."""
    return -float(special.ndtri(tail))


def t_isf(tail: float, df: float) -> float:
    """t with P(T > t) = tail; NaN if df is not above 0."""
    return -float(special.stdtrit(df, tail))


def t_sf(t: float, df: float) -> float:
    """P(T > t)."""
    return float(special.stdtr(df, -t))


def beta_isf(tail: float, a: float, b: float) -> float:
    """x with P(X > x) = tail, X ~ Beta(a, b)."""
    return float(special.betainccinv(a, b, tail))


def beta_sf(x: float, a: float, b: float) -> float:
    """P(X > x), X ~ Beta(a, b)."""
    return float(special.betaincc(a, b, x))


def coin_cdf(heads: int, tosses: int) -> float:
    """P(at most ``heads`` of ``tosses`` fair coins)."""
    return float(special.bdtr(heads, tosses, 0.5)) if heads >= 0 else 0.0
