"""Exponential, logarithm and polynomials of one number, in loops that the compiler vectorises.

Calls into the mathematics library stay scalar in compiled loops; these have no calls and no
branches. They may be used in loops whose sums the compiler may reorder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_LOG2_E = 1.0 / math.log(2.0)
_LN2 = math.log(2.0)
_LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two parts, the first exact when multiplied by k
_LN2_LOW = 1.90821492927058770002e-10
_MAGIC = 1.5 * 2.0**52  # adding it leaves a whole number in the low bits
_LOWEST, _HIGHEST = -708.0, 709.0
_FAINT = -200.0
_BIAS = 1023  # of a double's exponent
_ROOT_HALF = 0x3FE6A09E667F3BCD  # bits of the square root of a half
_MANTISSA = 52  # its bits
_E = tuple(1.0 / math.factorial(k) for k in range(12))
_L = tuple(2.0 / (2 * k + 1) for k in range(11))


@intrinsic
def _round(typingctx: Any, x: Any) -> Any:
    """Return the nearest whole number, as a float."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.rint", [ir.DoubleType()])
        return builder.call(function, values)

    return types.float64(types.float64), emit


@intrinsic
def _bits(typingctx: Any, x: Any) -> Any:
    """Return the bits of a float."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def _float(typingctx: Any, x: Any) -> Any:
    """Return the float that has these bits."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), emit


@numba.njit(fastmath={"contract"})
def exponential(x):  # type: ignore[no-untyped-def]
    """Return exp(x), to about 1e-14; x beyond -708 and 709 counts as that.

    exp(x) = 2^k exp(r) with |r| <= ln(2) / 2.
    """
    x = min(max(x, _LOWEST), _HIGHEST)
    k = _round(x * _LOG2_E)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    q = r * r
    low = (_E[2] + r * _E[3]) + q * (_E[4] + r * _E[5])
    high = (_E[6] + r * _E[7]) + q * ((_E[8] + r * _E[9]) + q * (_E[10] + r * _E[11]))
    power = _float((_bits(k + _MAGIC) + _BIAS) << _MANTISSA)
    return (1.0 + (r + q * (low + q * q * high))) * power


@numba.njit(fastmath={"contract"})
def share(x):  # type: ignore[no-untyped-def]
    """Return exp(x) for x <= 0; x below -200 counts as that, as nothing beside exp(0).

    Products of smaller numbers would be subnormal ones, which processors are slow at.
    """
    return exponential(max(x, _FAINT))


@numba.njit
def logarithm(x):  # type: ignore[no-untyped-def]
    """Return the log of a positive normal number, to about 1e-15.

    Not where sums may be reordered: there the exponent would lose its digits.
    """
    bits = _bits(x)
    exponent = (bits - _ROOT_HALF) >> _MANTISSA
    m = _float(bits - (exponent << _MANTISSA))  # from sqrt(1/2) to sqrt(2)
    f = (m - 1.0) / (m + 1.0)
    q = f * f
    w = q * q
    low = (_L[1] + q * _L[2]) + w * (_L[3] + q * _L[4])
    high = (_L[5] + q * _L[6]) + w * ((_L[7] + q * _L[8]) + w * (_L[9] + q * _L[10]))
    whole = _float(exponent + _bits_of_magic) - _MAGIC
    return whole * _LN2 + f * (_L[0] + q * (low + w * w * high))


_bits_of_magic = 0x4338000000000000


def polynomial(coefficients: Sequence[float]) -> Any:
    """Return the function of x that sums coefficients times powers of x, from the zeroth on.

    It is written out, as two sums, of even and of odd powers.
    """

    @intrinsic
    def sum_of_powers(typingctx: Any, x: Any) -> Any:
        """Return the polynomial at x, a float."""

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            double = ir.DoubleType()
            kind = ir.FunctionType(double, [double] * 3)
            together = builder.module.declare_intrinsic("llvm.fmuladd", [double], kind)
            (x,) = values
            square, sums = builder.fmul(x, x), []
            for parity in range(2):
                *lower, total = (double(float(c)) for c in coefficients[parity::2])
                for c in reversed(lower):
                    total = builder.call(together, [total, square, c])
                sums.append(total)
            return builder.call(together, [sums[1], x, sums[0]])

        return types.float64(types.float64), emit

    return sum_of_powers
