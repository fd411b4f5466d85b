"""Log densities of many times under one mixture, and what their gradient takes, trials abreast.

The loop over a mixture's terms is written out, so that the compiler runs the one over trials on
vectors: the text of the function below depends on the number of terms. With s a time, u its
stretched time (`likely.kernels.closing`) or s itself, and v = 1 / u, each term is

    exp(A u + B + C v) u^(-3/2),    A = -lambda / (2 mu^2), C = -lambda / 2,

with log w + lambda / mu + log(lambda / 2 pi) / 2 as B.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np

from likely.kernels.closing import LAST
from likely.kernels.inverse_gaussian import HALF_LOG_TWO_PI
from likely.kernels.vectors import exponential, logarithm, share

LEAST, MOST = 1e-90, 1e90  # seconds: times beyond have density 0
STEEP = 1.0 / (LAST * LAST)


def _source(terms: int, closing: bool) -> str:
    """Return the text of `accumulate`, as it is called in `likely.kernels.pullback`.

    Times and cotangents are sorted by mixture; `first` and `last` say which are this one's. It
    fills tops and rest, from which a log density is top + log(rest) / 2, and adds to sums
    (4, terms): of each term's share, that times u, that times v; and, in the last row, of the
    derivatives by time and by closing rate.
    """
    each = range(terms)

    def for_each(line: str, indent: int = 8) -> list[str]:
        return [" " * indent + line.replace("#", str(k)) for k in each]

    stretched = [
        "        left = 1.0 - rate * s",
        "        inside = left > LAST",
        "        pull = 1.0 / (left if inside else LAST)",
        "        slope = pull * pull",
        "        u = s * pull if inside else turn / LAST + (s - turn) * STEEP",
    ]
    by_stretch = [
        "        late += d * slope + (2.0 * rate * pull * g if inside else 0.0)",
        "        fast += d * s * s * slope + 2.0 * s * pull * g if inside"
        " else d * (slope - 1.0 / LAST) * turn / rate",
    ]
    lines = [
        "def accumulate(shift, rate, a, b, c, times, cotangents, first, last, tops, rest, sums):",
        "    late, fast, zero = 0.0, 0.0, 0.0",
        *for_each("a#, b#, c# = a[#], b[#], c[#]", 4),
        *for_each("x#, y#, z# = 0.0, 0.0, 0.0", 4),
        *(["    turn = (1.0 - LAST) / max(rate, 1e-300)"] if closing else []),
        "    for i in range(first, last):",
        "        s = times[i] - shift",
        "        known = s > LEAST and s < MOST",
        "        s = s if known else 1.0",
        "        g = cotangents[i] if known else 0.0",
        *(stretched if closing else ["        u = s"]),
        "        v = 1.0 / u",
        *for_each("e# = a# * u + (b# + c# * v)"),
        "        top = " + _nested("max", [f"e{k}" for k in each]),
        *for_each("e# = share(e# - top)"),
        "        total = " + " + ".join(f"e{k}" for k in each),
        "        tops[i] = top if known else -np.inf",
        "        rest[i] = total * total * v * v * v" + (" * slope * slope" if closing else ""),
        "        h, w, d = g / total, v * v, zero",
        *for_each("e# *= h"),
        *for_each("x# += e#"),
        *for_each("y# += e# * u"),
        *for_each("z# += e# * v"),
        *for_each("d += e# * (a# - c# * w)"),
        "        d -= 1.5 * v * g",
        *(by_stretch if closing else ["        late += d"]),
        *for_each("sums[0, #] += x#", 4),
        *for_each("sums[1, #] += y#", 4),
        *for_each("sums[2, #] += z#", 4),
        "    sums[3, 0] += late",
        "    sums[3, 1] += fast",
    ]
    return "\n".join(lines)


def _nested(function: str, names: list[str]) -> str:
    """Return the text of a function of two, over many, as a balanced tree."""
    if len(names) == 1:
        return names[0]
    middle = len(names) // 2
    return f"{function}({_nested(function, names[:middle])}, {_nested(function, names[middle:])})"


@functools.cache
def term_sums(terms: int, closing: bool) -> Any:
    """Return `accumulate` for mixtures of that many terms, with a closing rate or without."""
    namespace = {
        "np": np, "share": share, "LAST": LAST, "STEEP": STEEP, "LEAST": LEAST,
        "MOST": MOST, "__name__": __name__,
    }  # fmt: skip
    exec(_source(terms, closing), namespace)  # noqa: S102
    reorder = {"reassoc", "contract", "nsz"}
    return numba.njit(nogil=True, error_model="numpy", fastmath=reorder)(namespace["accumulate"])


@numba.njit(nogil=True, error_model="numpy")
def coefficients(outputs, first, terms, work):  # type: ignore[no-untyped-def]
    """Write a, b and c of a choice's terms, (3, components), from normalised outputs (m,)."""
    for k in range(work.shape[1]):
        j = first + k
        log_mu, log_lambda = outputs[terms + j], outputs[2 * terms + j]
        lam, rate = exponential(log_lambda), exponential(-log_mu)
        work[0, k] = -0.5 * lam * rate * rate
        work[1, k] = outputs[j] + lam * rate + 0.5 * log_lambda - HALF_LOG_TWO_PI
        work[2, k] = -0.5 * lam


@numba.njit(nogil=True, error_model="numpy")
def finish(tops, rest):  # type: ignore[no-untyped-def]
    """Turn tops (n,) into log densities."""
    for i in range(tops.shape[0]):
        tops[i] += 0.5 * logarithm(rest[i])
