"""Automatic differentiation in 89 lines, as typed in part 1 of the tutorial."""

import math


class Number:
    """A number that remembers what it was computed from."""

    def __init__(self, data, parents=(), closure=None, label=""):
        self.data, self.parents, self.closure = data, parents, closure
        self.label, self.grad = label, 0.0

    def __repr__(self):
        return f"{self.label or 'Number'}({self.data:.4g}, grad {self.grad:.4g})"

    def __add__(self, other):
        return apply(add, self, other)

    def __sub__(self, other):
        return apply(add, self, apply(mul, other, -1.0))

    def __mul__(self, other):
        return apply(mul, self, other)

    def tanh(self):
        return apply(tanh, self)


def add(x, w):
    def add_backward(g):
        return g, g

    return x + w, add_backward


def mul(x, w):
    def mul_backward(g):
        return g * w, g * x

    return x * w, mul_backward


def tanh(x):
    y = math.tanh(x)

    def tanh_backward(g):
        return (g * (1 - y**2),)

    return y, tanh_backward


def maximum(*xs):
    winner = xs.index(max(xs))

    def maximum_backward(g):
        return tuple(g if i == winner else 0.0 for i in range(len(xs)))

    return xs[winner], maximum_backward


def apply(rule, *operands):
    """Compute a rule, and remember its operands and its closure."""
    parents = [v if isinstance(v, Number) else Number(v) for v in operands]
    data, closure = rule(*[p.data for p in parents])
    return Number(data, parents, closure)


def backward_order(end):
    """List every number the end depends on, each after all that were computed from it."""
    order, seen = [], set()

    def visit(v):
        if id(v) not in seen:
            seen.add(id(v))
            for parent in v.parents:
                visit(parent)
            order.append(v)

    visit(end)
    return order[::-1]


def backward(end):
    """Walk from the end to the leaves, pass gradients on, and add up what arrives."""
    end.grad = 1.0
    for v in backward_order(end):
        if v.closure:
            for parent, to_parent in zip(v.parents, v.closure(v.grad)):
                parent.grad += to_parent
