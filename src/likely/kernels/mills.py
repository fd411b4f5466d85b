"""Mills' ratio of the normal distribution, and its slope, in compiled float64.

R(y) = (1 - Phi(y)) / phi(y) and its falling slope D(y) = -R'(y) = 1 - y R(y) carry every tail.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy.special import erfcx

from likely.kernels.vectors import exponential, polynomial
from likely.typing import FloatArray

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
TURN = 4.0  # (y - TURN) / (y + TURN) takes y >= 0 to [-1, 1)
LEAST = -300.0  # exponents: products of two exponentials must be no subnormal numbers, but nothing
_DEGREE = 21

inlined = numba.njit(  # without branches, for loops over trials that run on vectors
    nogil=True, error_model="numpy", fastmath={"contract", "nsz"}, forceinline=True
)


def mills_polynomials() -> tuple[FloatArray, FloatArray]:
    """Return the coefficients of (y + c) R(y) and (y + c)^2 D(y), c = `TURN`, highest first.

    They are polynomials in (y - c) / (y + c) that interpolate at Chebyshev's nodes, after Shepherd
    and Laframboise (1981), Mathematics of Computation 36, 249-253; to about 2e-14.
    """
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    y = TURN * (1.0 + nodes) / (1.0 - nodes)
    ratio = math.sqrt(0.5 * math.pi) * erfcx(y * math.sqrt(0.5))
    rest = np.zeros_like(y)
    far = np.maximum(y, 1.5)
    for k in range(500, 0, -1):  # 1/R - y by its continued fraction
        rest = k / (far + rest)
    slope = np.where(y < 1.5, 1.0 - y * ratio, rest / (far + rest))
    fits = ((y + TURN) * ratio, (y + TURN) ** 2 * slope)
    chebyshev = (np.polynomial.chebyshev.chebfit(nodes, fit, _DEGREE) for fit in fits)
    ratios, slopes = (np.polynomial.chebyshev.cheb2poly(c)[::-1] for c in chebyshev)
    return ratios.astype(np.float64), slopes.astype(np.float64)


_ratio, _slope = (polynomial(p[::-1].tolist()) for p in mills_polynomials())


@inlined
def mills(y):  # type: ignore[no-untyped-def]
    """Return R and D at y >= 0."""
    scale = 1.0 / (y + TURN)
    t = 1.0 - 2.0 * TURN * scale
    return _ratio(t) * scale, _slope(t) * scale * scale


@inlined
def fading(x):  # type: ignore[no-untyped-def]
    """Return exp(-x), or next to nothing."""
    return exponential(max(-x, LEAST))
