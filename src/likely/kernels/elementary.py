"""The exponential and activation functions over arrays, written so that the compiler vectorises.

Calls into the mathematics library stay scalar in compiled loops; these loops do not.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_compiled = numba.njit(nogil=True, error_model="numpy")

TANH, RELU, SIGMOID, SILU, SOFTPLUS, ELU, GELU = range(7)

_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts, the first exact when multiplied by k
_LN2_LOW = 1.90821492927058770002e-10
_MAGIC = 1.5 * 2.0**52  # adding it leaves the nearest whole number in the low bits
_LOWEST, _HIGHEST = -708.0, 709.0
_BIAS = 1023  # of a double's exponent
_GELU_1 = 2.0 * math.sqrt(2.0 / math.pi)
_GELU_3 = _GELU_1 * 0.044715
_C = tuple(1.0 / math.factorial(k) for k in range(14))


@_compiled
def exponentials(x, bits):  # type: ignore[no-untyped-def]
    """Replace x (n,) by exp(x), to about 1e-15; arguments beyond +-708 are taken as that.

    exp(x) = 2^k exp(r) with |r| <= ln(2)/2; `bits` (n,) is workspace.
    """
    n = x.shape[0]
    whole = bits.view(np.int64)
    for i in range(n):
        value = min(max(x[i], _LOWEST), _HIGHEST)
        shifted = value * _LOG2_E + _MAGIC
        bits[i] = shifted
        k = shifted - _MAGIC
        r = (value - k * _LN2_HIGH) - k * _LN2_LOW
        p = _C[12] + r * _C[13]
        p = _C[10] + r * (_C[11] + r * p)
        p = _C[8] + r * (_C[9] + r * p)
        p = _C[6] + r * (_C[7] + r * p)
        p = _C[4] + r * (_C[5] + r * p)
        p = _C[2] + r * (_C[3] + r * p)
        x[i] = 1.0 + r * (1.0 + r * p)
    for i in range(n):
        whole[i] = (whole[i] + _BIAS) << 52
    for i in range(n):
        x[i] *= bits[i]


@_compiled
def activate(kind, x, slope, bits):  # type: ignore[no-untyped-def]
    """Replace x (n,) by its activation and write the derivative to slope (n,)."""
    n = x.shape[0]
    if kind == RELU:
        for i in range(n):
            slope[i] = 1.0 if x[i] > 0.0 else 0.0
            x[i] = max(x[i], 0.0)
        return
    for i in range(n):
        slope[i] = -abs(_exponent(kind, x[i]))
    exponentials(slope, bits)
    if kind == TANH:
        for i in range(n):
            size = (1.0 - slope[i]) / (1.0 + slope[i])
            x[i] = size if x[i] >= 0.0 else -size
            slope[i] = 1.0 - size * size
    elif kind == ELU:
        for i in range(n):
            x[i] = x[i] if x[i] > 0.0 else slope[i] - 1.0
            slope[i] = 1.0 if x[i] > 0.0 else slope[i]
    else:
        _activate_by_gate(kind, x, slope, bits)


@_compiled
def _exponent(kind, x):  # type: ignore[no-untyped-def]
    """Return what the activation at x takes the exponential of."""
    if kind == TANH:
        return 2.0 * x
    if kind == GELU:  # in its common approximation by a tanh (Hendrycks & Gimpel 2016)
        return x * (_GELU_1 + _GELU_3 * x * x)
    return x


@_compiled
def _activate_by_gate(kind, x, slope, bits):  # type: ignore[no-untyped-def]
    """Finish activations made of the logistic function; slope holds the exponentials."""
    n = x.shape[0]
    for i in range(n):
        gate = 1.0 / (1.0 + slope[i])
        bits[i] = gate if x[i] >= 0.0 else slope[i] * gate
    if kind == SIGMOID:
        for i in range(n):
            x[i], slope[i] = bits[i], bits[i] * (1.0 - bits[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            x[i], slope[i] = max(x[i], 0.0) + math.log1p(slope[i]), bits[i]
    else:
        for i in range(n):
            growth = 1.0 if kind == SILU else _GELU_1 + 3.0 * _GELU_3 * x[i] * x[i]
            slope[i] = bits[i] * (1.0 + x[i] * growth * (1.0 - bits[i]))
            x[i] *= bits[i]
