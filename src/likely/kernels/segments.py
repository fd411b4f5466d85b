"""Segments of the normal distribution by closed forms, for loops over trials that run on vectors.

A segment is from y to z, and integrals over it are made of what its ends have: phi, in units that
do not underflow, and the functions R and D of `likely.kernels.mills`. Those of a narrow segment
cancel; `likely.kernels.thin_segments` has series in their place.
"""

from __future__ import annotations

from likely.kernels.mills import HALF_LOG_2PI, fading, inlined

EARLIEST = 1e-12  # seconds; earlier times are taken for this one, so that squares do not overflow
NARROW = 0.1  # lengths, times 1 + their distance from 0, below which closed forms cancel


@inlined
def in_units_of_the_nearest(y, z):  # type: ignore[no-untyped-def]
    """Return phi(y) and phi(z) in units of that at the end nearest 0, or in none, and their log."""
    right, left = y >= 0.0, z <= 0.0
    across = 0.5 * (z - y) * abs(y + z)
    p = fading(0.0 if right else (across if left else 0.5 * y * y + HALF_LOG_2PI))
    r = fading(0.0 if left else (across if right else 0.5 * z * z + HALF_LOG_2PI))
    nearest = max(max(y, -z), 0.0)
    return p, r, 0.0 if nearest == 0.0 else -0.5 * nearest * nearest - HALF_LOG_2PI


@inlined
def in_units_of_the_last(y, z):  # type: ignore[no-untyped-def]
    """Return phi(y) and phi(z) in units of phi(z) if that end is below 0, and the units' log."""
    late = z <= 0.0
    p = fading(-0.5 * (z - y) * (y + z) if late else 0.5 * y * y + HALF_LOG_2PI)
    r = fading(0.0 if late else 0.5 * z * z + HALF_LOG_2PI)
    return p, r, -0.5 * z * z - HALF_LOG_2PI if late else 0.0


@inlined
def integrals(y, z, phi, mills):  # type: ignore[no-untyped-def]
    """Return the integrals from y to z of phi(u) and of (u - y) phi(u).

    `phi` are those of both ends, in any units if 0 is not between them; `mills` are R and D at the
    distances of the ends from 0.
    """
    (p, r), ((p_r, p_d), (r_r, r_d)) = phi, mills
    right, left = y >= 0.0, z <= 0.0
    first, last = p * p_r, r * r_r
    first, last = first if right else -first, -last if left else last
    astride = 0.0 if right or left else 1.0
    return first - last + astride, p * p_d - r * r_d - (z - y) * last - astride * y
