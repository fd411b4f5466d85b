"""Inequalities between parameters in compiled code: programs of a machine with a stack.

`likely.constraints` turns text into them. A code from 0 on puts the parameter of that column on the
stack; the others are named below. An inequality that fails ends the program.
"""

from __future__ import annotations

import numba
import numpy as np

NUMBER, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, MAGNITUDE, LESS, AT_MOST = range(-1, -10, -1)


@numba.njit(nogil=True, error_model="numpy")
def all_hold(codes, numbers, row):  # type: ignore[no-untyped-def]
    """Tell whether inequalities hold of parameters (p,), given codes and the numbers they use."""
    stack, height, used = np.empty(len(codes)), 0, 0
    for code in codes:
        if code >= 0:
            stack[height] = row[code]
            height += 1
        elif code == NUMBER:
            stack[height] = numbers[used]
            height += 1
            used += 1
        elif code == NEGATE:
            stack[height - 1] = -stack[height - 1]
        elif code == MAGNITUDE:
            stack[height - 1] = abs(stack[height - 1])
        else:
            height -= 1
            left, right = stack[height - 1], stack[height]
            if code == ADD:
                stack[height - 1] = left + right
            elif code == SUBTRACT:
                stack[height - 1] = left - right
            elif code == MULTIPLY:
                stack[height - 1] = left * right
            elif code == DIVIDE:
                stack[height - 1] = left / right
            else:
                if not (left < right or code == AT_MOST and left == right):
                    return False
                height -= 1
    return True
