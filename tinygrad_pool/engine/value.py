"""The engine: a Value is a number or an array that remembers the rule that made it.

`lift` turns a rule, a plain function of arrays, into an operation on Values: it calls the rule on
their data and records a node with the operands, the rule, its options and the local backward
closure. `backward` visits the nodes, latest first. It calls each closure with the gradient that
arrived at its node, and adds the contributions it returns to the gradients of the operands.
Everything else in this package reads what is recorded here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeAlias, cast

from tinygrad_pool.engine.array_methods import HasArrayMethods
from tinygrad_pool.engine.backward import start
from tinygrad_pool.engine.context import SETTING, About, here, no_grad
from tinygrad_pool.engine.data import copied, to_data
from tinygrad_pool.engine.lift import operation_of
from tinygrad_pool.engine.node import NO_OPTIONS, NOTHING, LeafNode, bind, next_id
from tinygrad_pool.engine.signature import reject_children, reject_foreign_options
from tinygrad_pool.engine.turns import TURN
from tinygrad_pool.rules import arithmetic, elementwise, linear, reductions, shaping
from tinygrad_pool.rules.arguments import text
from tinygrad_pool.rules.rule import Backward

P = ParamSpec("P")
Operation: TypeAlias = Callable[..., "Value"]


def lift(rule: Callable[P, tuple[Any, Backward]]) -> Callable[P, Value]:
    """Turn a rule into an operation on Values.

    The operation calls the rule on the data of its operands and returns a Value that remembers
    operands, rule, options and closure. Operands that are numbers or arrays are constants. Arrays
    are copied, so you can reuse your buffers.

    The operation raises DataError for operands that are not numbers, OptionError for unknown
    options, ShapeError if operands do not broadcast.

    >>> def cube(x):
    ...     def cube_backward(g):
    ...         to_x = 3 * g * x**2
    ...         return (to_x,)
    ...
    ...     return x**3, cube_backward
    >>> x = Value(2.0)
    >>> y = lift(cube)(x)
    >>> y.backward()
    >>> y.data, x.grad
    (8.0, 12.0)
    """
    return operation_of(rule)


def _swapped(operation: Operation) -> Operation:
    return lambda x, w: operation(w, x)


class Value(HasArrayMethods):
    """A number or an array that remembers how it was computed.

    `data` is copied into a Python float or an array. `label` names the Value in pictures and
    messages.

    Raises DataError unless `data` consists of real numbers.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> E = a * b + a
    >>> E.backward()
    >>> E.data, a.grad, b.grad
    (8.0, 4.0, 2.0)
    """

    __slots__ = ("__dict__",)  # for attributes that users set

    def __new__(cls, *given: Any, **named: Any) -> Value:  # noqa: D102  # see the class
        if len(given) > 1 and cls is Value and "label" in named:
            reject_children(*given[1:])
        leaf: Any = object.__new__(_leaf_class(cls))  # type: ignore[arg-type]  # classes are hashable
        leaf._assigned, leaf._mutated, leaf._bits, leaf._lent = 0, 0, None, False
        return cast("Value", leaf)

    def __init__(self, data: Any, label: str = "", *children: Any, **habits: Any) -> None:
        if children or type(label) is not str:
            reject_children(label, *children)
        reject_foreign_options("Value", habits)
        self._numbers = to_data(data, "Value")
        self._grad, self._order = None, next_id()
        line = here() if SETTING.get().traced else None
        self.about = About(text(label, "Value: label"), line=line)
        self.rule, self.options = None, NO_OPTIONS
        self._x, self._w, self._closure = (), NOTHING, None

    def backward(self, gradient: Any = None, **habits: Any) -> None:
        """Compute ∂(this)/∂v, as `v.grad`, for every Value v that this depends on.

        Leaves accumulate gradients over calls; interior nodes hold that of the last call.
        `gradient` is the upstream gradient: 1 for a single element; required, in the same shape,
        for a larger array.

        Raises ShapeError if `gradient` is missing or has another shape; GraphError if the graph was
        cut here, or data changed in place since.
        """
        reject_foreign_options("backward", habits)
        with TURN:
            deque(start(self, gradient), 0)  # exhausts it in C: Ctrl-C lands inside the walk only

    def detach(self) -> Value:
        """Return a leaf with a copy of the data; gradients do not flow through it.

        >>> Value(3.0).exp().detach().parents
        ()
        """
        with no_grad():
            return _detach(self)

    _operation_of = staticmethod(operation_of)

    # -- operators, and methods of NumPy's arrays

    __add__ = lift(arithmetic.add)
    __sub__ = lift(arithmetic.sub)
    __mul__ = lift(arithmetic.mul)
    __truediv__ = lift(arithmetic.div)
    __pow__ = lift(arithmetic.power)
    __matmul__ = lift(linear.matmul)
    __radd__ = _swapped(__add__)
    __rsub__ = _swapped(__sub__)
    __rmul__ = _swapped(__mul__)
    __rtruediv__ = _swapped(__truediv__)
    __rpow__ = _swapped(__pow__)
    __rmatmul__ = _swapped(__matmul__)
    __neg__ = lift(arithmetic.neg)
    __getitem__ = lift(shaping.getitem)

    exp = lift(elementwise.exp)
    log = lift(elementwise.log)
    sqrt = lift(elementwise.sqrt)
    tanh = lift(elementwise.tanh)
    sigmoid = lift(elementwise.sigmoid)
    relu = lift(elementwise.relu)
    abs = __abs__ = lift(elementwise.abs)
    clip = lift(elementwise.clip)
    sum = lift(reductions.sum)
    mean = lift(reductions.mean)
    max = lift(reductions.max)
    min = lift(reductions.min)
    astype = lift(shaping.astype)

    def reshape(self, *shape: Any) -> Value:
        """Change the shape: v.reshape(2, 3), v.reshape((2, 3)), v.reshape(-1).

        Raises ShapeError if the sizes differ.
        """
        return _reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Value:
        """Reorder the axes; without arguments, reverse them. Raises AxisError."""
        return _transpose(self, axes[0] if len(axes) == 1 else axes or None)

    @property
    def T(self) -> Value:  # noqa: N802  # NumPy's name for it
        """The same numbers with the axes in reverse order."""
        return _transpose(self)


class Leaf(LeafNode, Value):
    """A Value without parents: its data can be changed."""

    __slots__ = ()

    def __reduce_ex__(self, _: Any) -> Any:
        kind = type(self).__bases__[1]  # Value or a subclass
        return Value.__new__, (kind,), ((self._numbers, self.label), self._grad, vars(self))

    def __setstate__(self, state: Any) -> None:
        Value.__init__(self, *state[0])
        self._grad = copied(state[1])
        vars(self).update(state[2])


@cache
def _leaf_class(kind: type[Value]) -> type[Value]:
    """Return the class of the leaves that calling `kind`, Value or a subclass of it, makes."""
    if issubclass(kind, Leaf):
        return kind
    return Leaf if kind is Value else type(kind.__name__, (Leaf, kind), {"__slots__": ()})


Leaf.__name__ = Leaf.__qualname__ = Value.__name__  # users see only Value
bind(Value, Leaf)
_reshape = lift(shaping.reshape)
_transpose = lift(shaping.transpose)
_detach = lift(shaping.detach)
