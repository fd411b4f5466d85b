"""Inequalities between parameters, such as "A < b", as text.

They are stored in files, so that they are parsed here, by Python's grammar but without running any
of it: numbers, names of parameters, + - * /, abs, and one < or <=.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from likely.errors import ModelError
from likely.kernels import inequalities
from likely.kernels.inequalities import Program

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
_CODES: Mapping[type[ast.AST], int] = {
    ast.Add: inequalities.ADD,
    ast.Sub: inequalities.SUBTRACT,
    ast.Mult: inequalities.MULTIPLY,
    ast.Div: inequalities.DIVIDE,
    ast.Lt: inequalities.LESS,
    ast.LtE: inequalities.AT_MOST,
}
_LONGEST = 200  # characters that are read


def holds(constraint: str, values: Mapping[str, Any]) -> Any:
    """Tell whether a constraint holds.

    Args:
        constraint: an inequality between parameters.
        values: name -> number or array, of numpy or JAX.

    Raises:
        ModelError: if the text is no such inequality, or names something else.
    """
    inequality = _parsed(constraint)
    left, right = inequality.left, inequality.comparators[0]
    order = _ORDERS[type(inequality.ops[0])]
    return order(_value(left, values, constraint), _value(right, values, constraint))


def compiled(constraints: Sequence[str], names: Sequence[str]) -> Program:
    """Return constraints as compiled code reads them, for rows of parameters of these names.

    Raises:
        ModelError: if one is no inequality, or names something else.
    """
    steps: list[tuple[int, float]] = []
    for constraint in constraints:
        inequality = _parsed(constraint)
        for side in (inequality.left, inequality.comparators[0]):
            steps.extend(_steps(side, names, constraint))
        steps.append((_CODES[type(inequality.ops[0])], 0.0))
    return Program(
        np.array([code for code, _ in steps], dtype=np.int64),
        np.array([operand for _, operand in steps], dtype=np.float64),
    )


def names_in(constraint: str) -> frozenset[str]:
    """Return the names of the parameters that a constraint is about."""
    nodes = ast.walk(_parsed(constraint))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name)) - {"abs"}


@functools.cache
def _parsed(constraint: str) -> ast.Compare:
    try:
        tree = ast.parse(constraint.strip()[:_LONGEST], mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(constraint) from error
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and type(tree.ops[0]) in _ORDERS:
        return tree
    raise _refusal(constraint)


def _value(node: ast.expr, values: Mapping[str, Any], constraint: str) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            first, second = (_value(side, values, constraint) for side in (left, right))
            return _BINARY[type(op)](first, second)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values, constraint)
        case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
            return abs(_value(argument, values, constraint))
    raise _refusal(constraint)


def _steps(node: ast.expr, names: Sequence[str], constraint: str) -> list[tuple[int, float]]:
    """Return the codes and operands that put the value of an expression on the stack."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return [(inequalities.NUMBER, float(number))]
        case ast.Name(id=name) if name in names:
            return [(inequalities.PARAMETER, float(names.index(name)))]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            first, second = (_steps(side, names, constraint) for side in (left, right))
            return [*first, *second, (_CODES[type(op)], 0.0)]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [*_steps(operand, names, constraint), (inequalities.NEGATE, 0.0)]
        case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
            return [*_steps(argument, names, constraint), (inequalities.ABSOLUTE, 0.0)]
    raise _refusal(constraint)


def _refusal(constraint: str) -> ModelError:
    return ModelError(
        f"constraint {constraint[:_LONGEST]!r} is no inequality between parameters; write one like "
        "'A < b', of names, numbers, + - * / and abs."
    )
