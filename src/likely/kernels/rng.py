"""Counter-based random numbers for compiled code: one independent stream per trajectory.

A stream is a 64-bit state advanced by the SplitMix64 sequence (Steele, Lea & Flood 2014). Every
function takes a state and returns the value drawn together with the next state, so a trajectory
carries its whole randomness in one register and results do not depend on the number of threads.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53

# Ziggurat of 256 layers of equal area under exp(-x^2/2) (Marsaglia & Tsang 2000).
_LAYERS = 256
_TAIL_START = 3.6541528853610088
_LAYER_AREA = 0.00492867323399


def _ziggurat() -> tuple[np.ndarray, np.ndarray]:
    """Return the layers' right edges (257,) and the density at those edges (257,)."""
    edges = np.empty(_LAYERS + 1)
    edges[0] = _LAYER_AREA / math.exp(-0.5 * _TAIL_START**2)
    edges[1] = _TAIL_START
    for i in range(2, _LAYERS):
        height = _LAYER_AREA / edges[i - 1] + math.exp(-0.5 * edges[i - 1] ** 2)
        edges[i] = math.sqrt(-2.0 * math.log(height))
    edges[_LAYERS] = 0.0
    return edges, np.exp(-0.5 * edges**2)


_EDGES, _HEIGHTS = _ziggurat()
_RATIOS = _EDGES[1:] / _EDGES[:-1]


@numba.njit(inline="always")
def mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits (the output function of SplitMix64)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@numba.njit(inline="always")
def stream(seed: np.uint64, index: int) -> np.uint64:
    """Return the initial state of stream `index` under `seed`."""
    return mix(mix(seed + _GOLDEN) ^ mix(np.uint64(index) * _GOLDEN + _MIX_1))


@numba.njit(inline="always")
def uniform(state: np.uint64) -> tuple[float, np.uint64]:
    """Draw from the open interval (0, 1)."""
    state = state + _GOLDEN
    return (np.float64(mix(state) >> np.uint64(11)) + 0.5) * _TO_UNIT, state


@numba.njit
def _normal_tail(negative: bool, state: np.uint64) -> tuple[float, np.uint64]:
    """Draw from the normal tail beyond the ziggurat's base (Marsaglia 1964)."""
    while True:
        first, state = uniform(state)
        second, state = uniform(state)
        x = -math.log(first) / _TAIL_START
        if -2.0 * math.log(second) > x * x:
            return (-(_TAIL_START + x) if negative else _TAIL_START + x), state


@numba.njit
def _normal_edge(bits: np.uint64, state: np.uint64) -> tuple[float, np.uint64]:
    """Finish a normal draw whose first bits fell outside the ziggurat's rectangles."""
    while True:
        layer = np.int64(bits & np.uint64(255))
        signed = np.float64(np.int64(bits) >> np.int64(11)) * 2.0**-52
        x = signed * _EDGES[layer]
        if abs(signed) < _RATIOS[layer]:
            return x, state
        if layer == 0:
            return _normal_tail(bool(signed < 0.0), state)
        u, state = uniform(state)
        if _HEIGHTS[layer] + u * (_HEIGHTS[layer + 1] - _HEIGHTS[layer]) < math.exp(-0.5 * x * x):
            return x, state
        state = state + _GOLDEN
        bits = mix(state)


@numba.njit(inline="always")
def normal(state: np.uint64) -> tuple[float, np.uint64]:
    """Draw from the standard normal distribution."""
    state = state + _GOLDEN
    bits = mix(state)
    layer = np.int64(bits & np.uint64(255))
    signed = np.float64(np.int64(bits) >> np.int64(11)) * 2.0**-52
    if abs(signed) < _RATIOS[layer]:
        return signed * _EDGES[layer], state
    return _normal_edge(bits, state)


@numba.njit(inline="always")
def inverse_gaussian(mean: float, shape: float, state: np.uint64) -> tuple[float, np.uint64]:
    """Draw from IG(mean, shape), by Michael, Schucany & Haas (1976), without cancellation."""
    z, state = normal(state)
    u, state = uniform(state)
    w = 0.5 * mean * z * z / shape
    smaller = mean / (1.0 + w + math.sqrt(w * (2.0 + w)))
    if u * (mean + smaller) <= mean:
        return smaller, state
    return mean * mean / smaller, state
