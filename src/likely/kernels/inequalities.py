"""Inequalities between parameters, judged in compiled code as programs for a machine with a stack.

A program is a list of codes and one of operands. `likely.constraints` makes it from text.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from likely.typing import FloatArray

NUMBER, PARAMETER, NEGATE, ABSOLUTE, ADD, SUBTRACT, MULTIPLY, DIVIDE, LESS, AT_MOST = range(10)


class Program(NamedTuple):
    """Inequalities that must all hold.

    Args:
        codes: what is done, one of the numbers above, (k,) int64.
        operands: the number, or the column of the parameter, that is put on the stack, (k,).
    """

    codes: np.ndarray
    operands: FloatArray


@numba.njit(nogil=True, error_model="numpy")
def hold(program, row, stack):  # type: ignore[no-untyped-def]
    """Tell whether all inequalities hold at a parameter row; stack is room for k numbers."""
    top = 0
    for i in range(len(program.codes)):
        code = program.codes[i]
        if code <= PARAMETER:
            operand = program.operands[i]
            stack[top] = operand if code == NUMBER else row[int(operand)]
            top += 1
        elif code <= ABSOLUTE:
            stack[top - 1] = -stack[top - 1] if code == NEGATE else abs(stack[top - 1])
        elif code <= DIVIDE:
            top -= 1
            stack[top - 1] = _combined(code, stack[top - 1], stack[top])
        else:
            top -= 2
            left, right = stack[top], stack[top + 1]
            if not (left < right or (code == AT_MOST and left == right)):
                return False
    return True


@numba.njit(nogil=True, error_model="numpy")
def _combined(code, left, right):  # type: ignore[no-untyped-def]
    """Return the sum, difference, product or quotient of two numbers."""
    if code == ADD:
        return left + right
    if code == SUBTRACT:
        return left - right
    return left * right if code == MULTIPLY else left / right
