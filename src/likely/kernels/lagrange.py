"""Lagrange's polynomials through eight points of a grid, for several places in a cell at once."""

from __future__ import annotations

import numba

POINTS = 8  # of the polynomial
BEFORE = 3  # of those before the cell in which a place lies
ABREAST = 24  # places at once; a multiple of `tiles.PADDED`

_reordered = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_reordered
def weigh(inside, weights):  # type: ignore[no-untyped-def]
    """Write Lagrange's polynomials for points at -3, ..., 4, and the error of all, (9, ABREAST).

    The error is in units of the eighth difference.
    """
    for i in range(ABREAST):
        x = inside[i]
        a, b, c, d = x + 3.0, x + 2.0, x + 1.0, x
        e, f, g, h = x - 1.0, x - 2.0, x - 3.0, x - 4.0
        ab, cd, ef, gh = a * b, c * d, e * f, g * h
        abcd, efgh = ab * cd, ef * gh
        weights[0, i] = b * cd * efgh * (-1.0 / 5040.0)
        weights[1, i] = a * cd * efgh * (1.0 / 720.0)
        weights[2, i] = ab * d * efgh * (-1.0 / 240.0)
        weights[3, i] = ab * c * efgh * (1.0 / 144.0)
        weights[4, i] = abcd * f * gh * (-1.0 / 144.0)
        weights[5, i] = abcd * e * gh * (1.0 / 240.0)
        weights[6, i] = abcd * ef * h * (-1.0 / 720.0)
        weights[7, i] = abcd * ef * g * (1.0 / 5040.0)
        weights[8, i] = abs(abcd * efgh) * (1.0 / 40320.0)


@_reordered
def eighth(table, result):  # type: ignore[no-untyped-def]
    """Write to result (q,) the eighth differences of the columns of a table (9, q)."""
    for q in range(result.shape[0]):
        ends, outer = table[0, q] + table[8, q], table[1, q] + table[7, q]
        inner, near = table[2, q] + table[6, q], table[3, q] + table[5, q]
        result[q] = ends - 8.0 * outer + 28.0 * inner - 56.0 * near + 70.0 * table[4, q]


@_reordered
def contract(weights, by_points, result):  # type: ignore[no-untyped-def]
    """Write to result (n,) the sums of polynomials times derivatives by points (POINTS, n)."""
    w, by = weights, by_points
    for i in range(ABREAST):
        early = w[0, i] * by[0, i] + w[1, i] * by[1, i] + w[2, i] * by[2, i] + w[3, i] * by[3, i]
        late = w[4, i] * by[4, i] + w[5, i] * by[5, i] + w[6, i] * by[6, i] + w[7, i] * by[7, i]
        result[i] = early + late
