"""Exact density, distribution and survival functions of the Wiener diffusion model.

Evidence starts at (2z - 1)a, drifts at rate v with noise of standard deviation 1 per sqrt(second),
and ends in choice +1 at the boundary +a or in choice -1 at -a; rt is that time plus t. Here `a` is
HALF the boundary separation, as in ssm-simulators and HSSM (HDDM's `a` is twice ours).

Every function is a series of one of two kinds. Images of the start converge at small times,
eigenfunctions at large ones; whichever needs fewer terms is summed, relative to its leading term
and in log space, so that nothing under- or overflows. Sources:

- Navarro and Fuss (2009), Journal of Mathematical Psychology 53, 222-230: the two density series
  (equations 5 and 6) and the choice between them by the number of terms (equation 13).
- Blurton, Kesselmeier and Gondan (2012), Journal of Mathematical Psychology 56, 470-475, and
  Gondan, Blurton and Kesselmeier (2014), Journal of Mathematical Psychology 60, 20-22: the
  distribution function as images weighted with Mills' ratio, its rest as eigenfunctions.
- The images of the survival function follow by subtracting those of the distribution, one by one,
  from the choice probability, which is the sum of (-1)^j exp(-|v| r_j) over the same distances r_j.

Inside, one boundary is treated: the lower one, at `start` times `width` = 2a below the starting
point. The upper one is its mirror image, (v, z) -> (-v, 1 - z).
"""

import math
from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]

_LOG_PRECISION = 40.0  # series stop where what is left is below exp(-40) of the leading term
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def log_density(
    rt: npt.ArrayLike,
    choice: npt.ArrayLike,
    v: npt.ArrayLike,
    a: npt.ArrayLike,
    z: npt.ArrayLike,
    t: npt.ArrayLike,
) -> Floats:
    """Log of the joint (defective) density of a reaction time and a choice.

    All arguments broadcast against each other.

    Args:
        rt: reaction times in seconds, any number but NaN.
        choice: -1 (lower boundary) or +1 (upper boundary).
        v: drift rate, finite.
        a: half the boundary separation, positive.
        z: relative starting point, strictly between 0 and 1.
        t: non-decision time in seconds, finite.

    Returns:
        Log densities (of 1/s), of the broadcast shape; -inf where rt <= t or rt is infinite.

    Raises:
        ValueError: if an argument is outside the values above.

    Source: Navarro and Fuss (2009), equations 5 (large times) and 6 (small times).
    """
    return _evaluate(_densities, rt=rt, choice=choice, v=v, a=a, z=z, t=t)


def choice_probability(
    choice: npt.ArrayLike, v: npt.ArrayLike, a: npt.ArrayLike, z: npt.ArrayLike
) -> Floats:
    """Probability of ending at a boundary, whatever the time.

    Both choices keep full relative precision, however small the drift or the probability.

    Args:
        choice: -1 (lower boundary) or +1 (upper boundary).
        v: drift rate, finite.
        a: half the boundary separation, positive.
        z: relative starting point, strictly between 0 and 1.

    Returns:
        Probabilities, of the broadcast shape.

    Raises:
        ValueError: if an argument is outside the values above.

    Source: Ratcliff (1978), Psychological Review 85, 59-108, appendix.
    """
    return _evaluate(_choice_probabilities, choice=choice, v=v, a=a, z=z)


def log_survival(
    rt: npt.ArrayLike, v: npt.ArrayLike, a: npt.ArrayLike, z: npt.ArrayLike, t: npt.ArrayLike
) -> Floats:
    """Log probability that no boundary has been reached by a time, log P(T > rt).

    Args:
        rt: times in seconds, any number but NaN.
        v: drift rate, finite.
        a: half the boundary separation, positive.
        z: relative starting point, strictly between 0 and 1.
        t: non-decision time in seconds, finite.

    Returns:
        Log probabilities, of the broadcast shape; 0 where rt <= t and -inf where rt is infinite.

    Raises:
        ValueError: if an argument is outside the values above.

    Source: the series of Blurton, Kesselmeier and Gondan (2012), summed over the two choices.
    """
    return _evaluate(_survivals, rt=rt, v=v, a=a, z=z, t=t)


def log_cdf(
    rt: npt.ArrayLike,
    choice: npt.ArrayLike,
    v: npt.ArrayLike,
    a: npt.ArrayLike,
    z: npt.ArrayLike,
    t: npt.ArrayLike,
) -> Floats:
    """Log probability of a choice made by a time, log P(T <= rt, C = choice).

    Args:
        rt: times in seconds, any number but NaN.
        choice: -1 (lower boundary) or +1 (upper boundary).
        v: drift rate, finite.
        a: half the boundary separation, positive.
        z: relative starting point, strictly between 0 and 1.
        t: non-decision time in seconds, finite.

    Returns:
        Log probabilities, of the broadcast shape; -inf where rt <= t, and the log choice
        probability where rt is infinite.

    Raises:
        ValueError: if an argument is outside the values above.

    Source: Blurton, Kesselmeier and Gondan (2012); Gondan, Blurton and Kesselmeier (2014).
    """
    return _evaluate(_cdfs, rt=rt, choice=choice, v=v, a=a, z=z, t=t)


_RULES: dict[str, tuple[str, Callable[[Floats], npt.NDArray[np.bool_]]]] = {
    "rt": ("a number", lambda rt: ~np.isnan(rt)),
    "choice": ("-1 or +1", lambda choice: np.abs(choice) == 1.0),
    "v": ("finite", np.isfinite),
    "a": ("positive and finite", lambda a: (a > 0.0) & np.isfinite(a)),
    "z": ("strictly between 0 and 1", lambda z: (z > 0.0) & (z < 1.0)),
    "t": ("finite", np.isfinite),
}


def _evaluate(kernel: Callable[..., Floats], **arguments: npt.ArrayLike) -> Floats:
    """Check the arguments, broadcast them, and run a kernel; scalars in give a scalar out."""
    values = [_checked(name, value) for name, value in arguments.items()]
    arrays = np.broadcast_arrays(*values)
    columns = [array.flatten() for array in arrays]  # copies: a read-only array would recompile
    return kernel(*columns).reshape(arrays[0].shape)[()]


def _checked(name: str, value: npt.ArrayLike) -> Floats:
    values = np.asarray(value, dtype=np.float64)
    rule, obeys = _RULES[name]
    valid = np.asarray(obeys(values))
    if not valid.all():
        where = np.unravel_index(int(np.argmin(valid)), valid.shape)
        index = f"[{', '.join(str(int(i)) for i in where)}]" if where else ""
        raise ValueError(f"{name} must be {rule}, but {name}{index} is {float(values[where])}")
    return values


@_compiled
def _densities(rt: Floats, choice: Floats, v: Floats, a: Floats, z: Floats, t: Floats) -> Floats:
    out = np.empty(rt.size)
    for i in range(rt.size):
        drift, start = _lower(choice[i], v[i], z[i])
        out[i] = log_density_below(rt[i] - t[i], drift, 2.0 * a[i], start)
    return out


@_compiled
def _choice_probabilities(choice: Floats, v: Floats, a: Floats, z: Floats) -> Floats:
    out = np.empty(choice.size)
    for i in range(choice.size):
        drift, start = _lower(choice[i], v[i], z[i])
        out[i] = math.exp(_log_probability_below(drift, 2.0 * a[i], start))
    return out


@_compiled
def _survivals(rt: Floats, v: Floats, a: Floats, z: Floats, t: Floats) -> Floats:
    out = np.empty(rt.size)
    for i in range(rt.size):
        out[i] = log_survival_between(rt[i] - t[i], v[i], 2.0 * a[i], z[i])
    return out


@_compiled
def _cdfs(rt: Floats, choice: Floats, v: Floats, a: Floats, z: Floats, t: Floats) -> Floats:
    out = np.empty(rt.size)
    for i in range(rt.size):
        drift, start = _lower(choice[i], v[i], z[i])
        out[i] = log_cdf_below(rt[i] - t[i], drift, 2.0 * a[i], start)
    return out


@_compiled
def log_density_below(s: float, v: float, width: float, start: float) -> float:
    """Log density of reaching the lower boundary at decision time s; for compiled callers."""
    if s <= 0.0 or s == math.inf:
        return -math.inf
    u = s / (width * width)
    if _images_are_shorter(u):
        distance = start * width
        exponent = (distance / s + v) * (distance + v * s)
        if exponent == math.inf:
            return -math.inf
        leading = math.log(distance) - 1.5 * math.log(s) - _HALF_LOG_2PI - 0.5 * exponent
        return leading + math.log1p(_density_images(u, start))
    leading = -v * width * start - _slowest_rate(v, width) * s
    return leading + math.log(math.pi * _density_waves(u, start) / (width * width))


@_compiled
def log_survival_between(s: float, v: float, width: float, start: float) -> float:
    """Log probability of being between the boundaries at decision time s; for compiled callers."""
    if s <= 0.0:
        return 0.0
    mirror = 1.0 - start
    if not _images_are_shorter(s / (width * width)):
        below = _log_tail_waves(s, v, width, start)
        return _log_sum(below, _log_tail_waves(s, -v, width, mirror))
    ended = math.exp(_log_images(1.0, s, v, width, start))
    ended += math.exp(_log_images(1.0, s, -v, width, mirror))
    # With little drift much is still left at such times, and subtracting from 1 costs few digits;
    # with drift the images of the tail converge quickly instead.
    if ended < 0.5 or abs(v) * math.sqrt(s) < 2.0:
        return math.log1p(-ended)
    below = _log_images(-1.0, s, v, width, start)
    return _log_sum(below, _log_images(-1.0, s, -v, width, mirror))


@_compiled
def log_cdf_below(s: float, v: float, width: float, start: float) -> float:
    """Log probability of the lower boundary by decision time s; for compiled callers."""
    if s <= 0.0:
        return -math.inf
    if _images_are_shorter(s / (width * width)):
        return _log_images(1.0, s, v, width, start)
    ever = _log_probability_below(v, width, start)
    return ever + math.log1p(-math.exp(_log_tail_waves(s, v, width, start) - ever))


@_compiled
def _lower(choice: float, v: float, z: float) -> tuple[float, float]:
    """Drift and start seen from the chosen boundary, as if that were the lower one."""
    return (v, z) if choice < 0.0 else (-v, 1.0 - z)


@_compiled
def _image_pairs(u: float) -> float:
    return float(np.ceil(0.5 * (math.sqrt(1.0 + 2.0 * _LOG_PRECISION * u) - 1.0)))


@_compiled
def _wave_terms(u: float) -> float:
    return float(np.floor(math.sqrt(1.0 + 2.0 * _LOG_PRECISION / (math.pi**2 * u))))


@_compiled
def _images_are_shorter(u: float) -> bool:
    """Whether images need fewer terms than eigenfunctions at the scaled time u = s/width^2."""
    return 1.0 + 2.0 * _image_pairs(u) <= _wave_terms(u)


@_compiled
def _slowest_rate(v: float, width: float) -> float:
    return 0.5 * (v * v + (math.pi / width) ** 2)


@_compiled
def _density_images(u: float, start: float) -> float:
    """Sum over k != 0 of (start + 2k) exp(-(start + 2k)^2/2u), in units of the term k = 0."""
    right_step = right = math.exp(-2.0 * (1.0 + start) / u)
    left_step = left = math.exp(-2.0 * (1.0 - start) / u)
    square = right * left
    total = 0.0
    for k in range(1, int(_image_pairs(u)) + 1):
        reach = 2.0 * k / start
        total += (1.0 + reach) * right + (1.0 - reach) * left
        right_step *= square
        left_step *= square
        right *= right_step
        left *= left_step
    return total


@_compiled
def _density_waves(u: float, start: float) -> float:
    """Sum over k of k sin(k pi start) exp(-(k^2 - 1) pi^2 u/2)."""
    twice_cosine = 2.0 * math.cos(math.pi * start)
    square = math.exp(-(math.pi**2) * u)
    before, wave = 0.0, 1.0  # sin(k pi start)/sin(pi start), by recurrence
    step, decay = math.sqrt(square), 1.0
    total = 0.0
    for k in range(1, int(_wave_terms(u)) + 1):
        total += k * wave * decay
        before, wave = wave, twice_cosine * wave - before
        step *= square
        decay *= step
    return math.sin(math.pi * start) * total


@_compiled
def _log_tail_waves(s: float, v: float, width: float, start: float) -> float:
    """Log probability of the lower boundary after time s, by eigenfunctions."""
    if s == math.inf:
        return -math.inf
    u = s / (width * width)
    slowest = _slowest_rate(v, width)
    unit = 0.5 * (math.pi / width) ** 2
    twice_cosine = 2.0 * math.cos(math.pi * start)
    before, wave, total = 0.0, 1.0, 0.0
    for k in range(1, int(_wave_terms(u)) + 1):
        extra = (k * k - 1.0) * unit
        total += k * wave * math.exp(-extra * s) * slowest / (slowest + extra)
        before, wave = wave, twice_cosine * wave - before
    scale = math.pi * math.sin(math.pi * start) / (width * width * slowest)
    return math.log(scale * total) - v * width * start - slowest * s


@_compiled
def _log_probability_below(v: float, width: float, start: float) -> float:
    """Log probability of ever reaching the lower boundary first."""
    exponent = 2.0 * v * width
    size = max(abs(exponent), 1e-200)  # the limit of no drift, without 0/0
    ratio = math.expm1(-size * (1.0 - start)) / math.expm1(-size)
    return math.log(ratio) - max(exponent, 0.0) * start


@_compiled
def _log_images(side: float, s: float, v: float, width: float, start: float) -> float:
    """Log probability of the lower boundary, before (side = 1) or after (side = -1) time s.

    The images lie at alternating distances start, 2 - start, 2 + start, 4 - start, ... widths.
    """
    speed = abs(v)
    distance = start * width
    leading = _log_image(side, s, speed, distance)
    if leading == -math.inf:
        return leading
    total, sign = 1.0, -1.0
    for k in range(1, 400):  # a dozen are enough inside any sensible box
        far = k + start if k % 2 == 0 else k + 1.0 - start
        share = math.exp(_log_image(side, s, speed, far * width) - leading)
        total += sign * share
        sign = -sign
        if share < 1e-18:
            break
    return leading + math.log(max(total, 0.0)) - v * distance


@_compiled
def _log_image(side: float, s: float, speed: float, distance: float) -> float:
    """Log of exp(-m r) Phi(c (m s - r)/sqrt(s)) + c exp(m r) Phi(-(m s + r)/sqrt(s)).

    Here m is the speed, r the distance and c the side. The second exponential is merged with the
    tail of Phi, which leaves Mills' ratio and no large exponents.
    """
    root = math.sqrt(s)
    lead = side * (speed * root - distance / root)
    mills = side * _mills(speed * root + distance / root)
    if lead < 0.0:
        gap = max(_mills(-lead) + mills, 0.0)  # below 0 by rounding, far outside any box
        log_term = math.log(gap) - _HALF_LOG_2PI - 0.5 * lead * lead
    else:
        phi = math.exp(-0.5 * lead * lead - _HALF_LOG_2PI)
        log_term = math.log(0.5 * math.erfc(-lead * _SQRT_HALF) + phi * mills)
    return log_term - speed * distance


@_compiled
def _mills(y: float) -> float:
    """Mills' ratio (1 - Phi(y))/phi(y) for y >= 0, to about 1e-14."""
    if y < 6.0:
        return math.sqrt(0.5 * math.pi) * math.exp(0.5 * y * y) * math.erfc(y * _SQRT_HALF)
    rest = y
    for k in range(20, 0, -1):
        rest = y + k / rest
    return 1.0 / rest


@_compiled
def _log_sum(first: float, second: float) -> float:
    high, low = max(first, second), min(first, second)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
