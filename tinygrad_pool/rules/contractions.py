"""Products of arrays that sum over axes: einsum, tensordot, dot and related functions."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from tinygrad_pool.errors import AxisError, OptionError, ShapeError
from tinygrad_pool.formatting import counted
from tinygrad_pool.rules.arguments import axes_of, named_axes, whole
from tinygrad_pool.rules.composition import composes, operand
from tinygrad_pool.rules.primitive import primitive
from tinygrad_pool.rules.rule import Array, Backward, Contributions, implements


@primitive
def contract(*xs: Array, subscripts: str) -> Array:
    """Compute an einsum in which no operand repeats a letter or has one that only it has."""
    return np.einsum(subscripts, *xs, optimize=len(xs) > 1)


@implements(contract)
def einsum(*xs: Array, subscripts: str) -> tuple[Array, Backward]:
    """Differentiate einsum: each operand gets g times the product of the others, summed.

    y_out = Σ x_1 x_2 …            ∂E/∂x_i = Σ g_out Π_j x_j,  j ≠ i,  over all other letters

    >>> y, backward = einsum(np.ones((2, 3)), np.ones(3), subscripts="ij,j->i")
    >>> y, backward(np.array([1.0, 2.0]))[1]
    (array([3., 3.]), array([3., 3., 3.]))
    """
    terms, out = _terms(subscripts)

    def einsum_backward(g: Array) -> Contributions:
        to_xs = []
        for i, letters in enumerate(terms):
            others = [*xs[:i], *xs[i + 1 :]]
            inputs = ",".join([out, *terms[:i], *terms[i + 1 :]])
            to_xs.append(contract(g, *others, subscripts=f"{inputs}->{letters}"))
        return tuple(to_xs)

    return contract(*xs, subscripts=subscripts), einsum_backward


def _terms(subscripts: str) -> tuple[list[str], str]:
    inputs, _, out = subscripts.partition("->")
    return inputs.split(","), out


@composes("einsum")
def sum_of_products(subscripts: str, *operands: Array, optimize: Any = False) -> Array:
    """Multiply operands and sum over the letters that the result lacks, as in "ij,jk->ik".

    A letter that an operand repeats means its diagonal. Letters of one operand are summed first.
    """
    del optimize  # the order of the products is chosen here
    if not isinstance(subscripts, str):
        raise OptionError(
            "np.einsum: on Values the subscripts come first, as text: np.einsum('ij,jk->ik', x, w)"
        )
    xs = list(map(operand, operands))
    terms, out = _explicit(subscripts, xs)
    for i, letters in enumerate(terms):
        xs[i], terms[i] = _diagonals(xs[i], letters)
    xs = _broadcast(xs, terms)
    others = [set(out).union(*terms[:i], *terms[i + 1 :]) for i in range(len(terms))]
    for i, letters in enumerate(terms):
        alone = tuple(k for k, c in enumerate(letters) if c not in others[i])
        if alone:
            xs[i] = np.sum(xs[i], axis=alone)
            terms[i] = "".join(c for c in letters if c in others[i])
    if len(xs) == 1:
        return np.transpose(xs[0], [terms[0].index(c) for c in out])
    return contract(*xs, subscripts=f"{','.join(terms)}->{out}")


def _explicit(subscripts: str, xs: list[Array]) -> tuple[list[str], str]:
    """Make subscripts explicit: add the result, and letters for an ellipsis."""
    text = subscripts.replace(" ", "")
    terms, out = _terms(text)
    spare = "".join(c for c in ascii_letters if c not in text)
    wide = 0
    if len(terms) != len(xs):
        has, operands = counted(len(terms), "term"), counted(len(xs), "operand")
        raise OptionError(f"np.einsum: {subscripts!r} has {has} for {operands}")
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        free = np.ndim(x) - len(term.replace("...", ""))
        wide = max(wide, free)
        if free < 0 or (free and "..." not in term):
            raise OptionError(
                f"np.einsum: term {term!r} of {subscripts!r} does not fit shape {np.shape(x)}"
            )
        terms[i] = term.replace("...", spare[:free][::-1])
    dots = spare[:wide][::-1]
    if "->" not in text:
        seen = Counter("".join(term.replace("...", "") for term in _terms(text)[0]))
        out = dots + "".join(sorted(c for c in seen if seen[c] == 1))
    out = out.replace("...", dots)
    if len(set(out)) < len(out) or not set(out) <= set("".join(terms)) <= set(ascii_letters):
        raise OptionError(f"np.einsum: {subscripts!r} are not valid subscripts")
    return terms, out


def _diagonals(x: Array, letters: str) -> tuple[Array, str]:
    """Take the diagonal for each letter that comes twice."""
    for c in set(letters):
        while letters.count(c) > 1:
            i = letters.index(c)
            k = letters.index(c, i + 1)
            if np.shape(x)[i] != np.shape(x)[k]:
                raise ShapeError(f"np.einsum: {c!r} has two lengths in {np.shape(x)}")
            x = np.diagonal(x, axis1=i, axis2=k)
            letters = letters[:i] + letters[i + 1 : k] + letters[k + 1 :] + c
    return x, letters


def _broadcast(xs: list[Array], terms: list[str]) -> list[Array]:
    """Repeat axes of length 1 that broadcast. Raises ShapeError if a letter has two lengths."""
    lengths: dict[str, int] = {}
    for x, letters in zip(xs, terms, strict=True):
        for c, n in zip(letters, np.shape(x), strict=True):
            if lengths.setdefault(c, n) not in (1, n) and n != 1:
                raise ShapeError(
                    f"np.einsum: {c!r} has length {lengths[c]}, but {n} in shape {np.shape(x)}"
                )
            lengths[c] = n if lengths[c] == 1 else lengths[c]
    shapes = [tuple(lengths[c] for c in letters) for letters in terms]
    pairs = zip(xs, shapes, strict=True)
    return [x if np.shape(x) == shape else np.broadcast_to(x, shape) for x, shape in pairs]


@composes("tensordot", "linalg.tensordot")
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Multiply and sum over the axes that `axes` names, or over a's last and b's first ones."""
    a, b = operand(a), operand(b)
    of_a, of_b = _paired(np.ndim(a), np.ndim(b), axes)
    in_a = list(named_axes(np.shape(a), of_a, "tensordot"))
    in_b = list(named_axes(np.shape(b), of_b, "tensordot"))
    lengths = [np.shape(a)[i] for i in in_a]
    if lengths != [np.shape(b)[i] for i in in_b]:
        raise ShapeError(
            f"tensordot: axes {in_a} of shape {np.shape(a)} and {in_b} of shape {np.shape(b)} "
            "differ in length"
        )
    rest_a = [i for i in range(np.ndim(a)) if i not in in_a]
    rest_b = [i for i in range(np.ndim(b)) if i not in in_b]
    count = prod(lengths)
    shape = [np.shape(a)[i] for i in rest_a] + [np.shape(b)[i] for i in rest_b]
    rows = np.reshape(np.transpose(a, rest_a + in_a), (prod(np.shape(a)[i] for i in rest_a), count))
    columns = np.reshape(
        np.transpose(b, in_b + rest_b), (count, prod(np.shape(b)[i] for i in rest_b))
    )
    return np.reshape(rows @ columns, shape)


def _paired(a: int, b: int, axes: Any) -> tuple[list[int], list[int]]:
    """List the axes of both operands that are summed over."""
    if np.ndim(axes) == 0:
        count = whole(axes, "np.tensordot: axes")
        if not 0 <= count <= min(a, b):
            needed = counted(count, "axis", "axes")
            raise AxisError(f"np.tensordot: needs {needed}, got operands with {a} and {b}")
        return list(range(a - count, a)), list(range(count))
    of_a, of_b = (list(np.atleast_1d(one)) for one in axes)
    return of_a, of_b


@composes("dot")
def dot(a: Array, b: Array) -> Array:
    """Multiply numbers, vectors or matrices; otherwise sum over the last and second-last axis."""
    a, b = operand(a), operand(b)
    if not np.ndim(a) or not np.ndim(b):
        return a * b
    if max(np.ndim(a), np.ndim(b)) < 3:
        return a @ b
    return tensordot(a, b, ([-1], [max(np.ndim(b) - 2, 0)]))


@composes("inner")
def inner(a: Array, b: Array) -> Array:
    """Multiply and sum over the last axes of both."""
    a, b = operand(a), operand(b)
    return tensordot(a, b, ([-1], [-1])) if np.ndim(a) and np.ndim(b) else a * b


@composes("vdot")
def vdot(a: Array, b: Array) -> Array:
    """Flatten both, multiply, and sum."""
    return np.reshape(operand(a), -1) @ np.reshape(operand(b), -1)


@composes("vecdot", "linalg.vecdot")
def vecdot(x1: Array, x2: Array, axis: int = -1) -> Array:
    """Multiply elementwise, broadcasting, and sum over an axis of the same length in both."""
    xs, axis = [operand(x1), operand(x2)], whole(axis, "vecdot: axis")
    n, m = (np.shape(x)[axes_of(np.shape(x), axis, "vecdot")[0]] for x in xs)
    if n != m:
        raise ShapeError(f"np.vecdot: needs vectors of one length, got {n} and {m}")
    x1, x2 = xs if axis == -1 else [np.moveaxis(x, axis, -1) for x in xs]
    return np.sum(x1 * x2, axis=-1)


@composes("matvec")
def matvec(x1: Array, x2: Array) -> Array:
    """Multiply matrices by vectors."""
    return np.squeeze(operand(x1) @ np.expand_dims(operand(x2), -1), axis=-1)


@composes("vecmat")
def vecmat(x1: Array, x2: Array) -> Array:
    """Multiply vectors by matrices."""
    return np.squeeze(np.expand_dims(operand(x1), -2) @ operand(x2), axis=-2)


@composes("outer")
def outer(a: Array, b: Array) -> Array:
    """Multiply each element of one by each element of the other."""
    return np.reshape(operand(a), (-1, 1)) * np.reshape(operand(b), -1)


@composes("linalg.outer")
def outer_of_vectors(x1: Array, x2: Array) -> Array:
    """Multiply each element of one vector by each element of the other."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(
            f"np.linalg.outer: needs two vectors, got shapes {np.shape(x1)} and {np.shape(x2)}"
        )
    return outer(x1, x2)


@composes("kron")
def kron(a: Array, b: Array) -> Array:
    """Replace each element of a by b times that element."""
    a, b = operand(a), operand(b)
    ndim = max(np.ndim(a), np.ndim(b))
    of_a, of_b = ((1,) * (ndim - np.ndim(x)) + np.shape(x) for x in (a, b))
    spread = np.reshape(a, [n for pair in zip(of_a, (1,) * ndim, strict=True) for n in pair])
    tiled = np.reshape(b, [n for pair in zip((1,) * ndim, of_b, strict=True) for n in pair])
    return np.reshape(spread * tiled, [n * m for n, m in zip(of_a, of_b, strict=True)])


@composes("trace")
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Sum the diagonals."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@composes("linalg.trace")
def last_trace(x: Array, offset: int = 0) -> Array:
    """Sum the diagonals of the last two axes."""
    return trace(x, offset, -2, -1)


@composes("linalg.multi_dot")
def multi_dot(arrays: Any) -> Array:
    """Multiply several matrices, from left to right."""
    if len(arrays) < 2:
        raise OptionError(f"np.linalg.multi_dot: needs at least two matrices, got {len(arrays)}")
    ndims = [np.ndim(x) for x in arrays]
    if {*ndims[1:-1]} - {2} or {ndims[0], ndims[-1]} - {1, 2}:
        raise ShapeError(
            "np.linalg.multi_dot: needs matrices, the first and the last may be vectors, "
            f"got {ndims} axes"
        )
    return reduce(dot, arrays)


@composes("cross", "linalg.cross")
def cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Compute the cross product of vectors of three elements, broadcasting."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = np.moveaxis(operand(a), axisa, -1), np.moveaxis(operand(b), axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise ShapeError(
            f"np.cross: on Values, vectors need three elements, got {np.shape(a)[-1]} "
            f"and {np.shape(b)[-1]}"
        )
    next_, last = np.array([1, 2, 0]), np.array([2, 0, 1])
    y = a[..., next_] * b[..., last] - a[..., last] * b[..., next_]
    return np.moveaxis(y, -1, axisc)
