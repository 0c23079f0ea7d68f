"""What a diagnosis reads: a recorded pass with its parameters and layers by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_pool.derivatives.jvp import jvp
from tinygrad_pool.derivatives.leaf_roles import weights_among
from tinygrad_pool.diagnosis.findings import grouped
from tinygrad_pool.drawing.variables import held_by_modules
from tinygrad_pool.engine.gradients import gradients
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import DataError
from tinygrad_pool.formatting import several
from tinygrad_pool.recording.gains import leaf_below
from tinygrad_pool.recording.ledger import GradientExplainer
from tinygrad_pool.recording.naming import homes_of
from tinygrad_pool.recording.recording import Recording
from tinygrad_pool.rules import arithmetic, convolution, linear, reductions
from tinygrad_pool.rules.rule import is_ours
from tinygrad_pool.rules.traits import traits_of

ROWS = 24

SUMS = (arithmetic.add, arithmetic.sub, arithmetic.neg, reductions.sum, reductions.mean)


class Survey:
    """A recorded pass: its `parameters` by name, and the layer, or row, of each node.

    The nodes `after` all layers with parameters measure the error.
    """

    def __init__(
        self, recording: Recording, parameters: Any = None, names: Mapping[str, Any] | None = None
    ) -> None:
        self.recording = recording
        self.loss, self.nodes, self.steps = recording.loss, recording.nodes, recording.steps
        self.grads = recording.gradients
        named = self.parameters = dict[Node, str]()

        def brief(node: Node) -> str:  # not a method, which would keep the survey alive in a cycle
            return named.get(node) or recording.call(node)

        self.brief = brief
        """Name a node as `call` does, without its scope."""
        self.ledger = GradientExplainer(self.loss, self.nodes, self.steps, self.grads, brief)
        self.users = self.ledger.users
        self.inside = set(self.nodes)
        self._homes = homes_of(self.nodes)
        self.weights_on_the_left = _has_weights_on_the_left(self.nodes)
        self.weights = weights_among(self.nodes)
        self.explicit = parameters is not None
        if parameters is None:
            named |= held_by_modules({} if names is None else names)
            self.given = bool(named)
            named |= self._guessed()
        else:
            self.given = True
            named |= self._named(parameters)
        self.missing = [p for p in named if p not in self.grads]
        self.rows = self._rows()
        users = {self._homes[p] for p in self.parameters if p in self._homes}
        held, last = {self.rows[v] for v in users}, max((v._order for v in users), default=-1)
        self.after = {v for v, row in self.rows.items() if v._order > last and row not in held}

    def call(self, node: Node) -> str:
        """Name a node: as a parameter, by its label, or by operation, number and scope."""
        if node in self.parameters:
            return self.parameters[node]
        scope = self.scope(node)
        name = self.recording.call(node)
        return f"{name} in {scope}" if scope and node.rule and "#" in name else name

    def scope(self, node: Node) -> str:
        """Return the scope of a node, or of the first user of a leaf."""
        return node.about.scope or self._homes.get(node, node).about.scope

    def row(self, node: Node) -> str:
        """Return the layer that a node, or the first user of a leaf, belongs to."""
        return self.rows[self._homes.get(node, node)]

    def above(self, node: Node) -> list[Node]:
        """List the nodes that use a node, once for each use."""
        return [step.node for step, _ in self.users.get(node, ())]

    def names(self, nodes: Iterable[Node]) -> str:
        """List the first nodes by name."""
        return several([*map(self.call, nodes)])

    def uses(self, parameter: Node) -> Iterator[tuple[Node, int]]:
        """List the nodes that use a parameter, perhaps in another shape, and as which operand."""
        waiting = [parameter]
        while waiting:
            for step, i in self.users.get(waiting.pop(), ()):
                if traits_of(step.node.rule).unit == "move":
                    waiting.append(step.node)
                else:
                    yield step.node, i

    def examples(self, parameter: Node) -> int:
        """Count the examples that a parameter was used for, over all its uses."""
        nodes = [node for node, _ in self.uses(parameter)]
        return sum(v.shape[self.batch_axis(v.ndim)] if v.ndim > 1 else 1 for v in nodes)

    @cached_property
    def decayed(self) -> list[Node]:
        """The parameters that only weight decay reaches; [] if those are all."""
        reached = {p: self.above(p) for p in self.parameters if p in self.users}
        alone = [p for p, users in reached.items() if all(is_size_of(v, p) for v in users)]
        terms = self._terms() if alone else set()
        alone = [p for p in alone if terms.issuperset(reached[p])]
        return alone if len(alone) < len(reached) else []

    def _terms(self) -> set[Node]:
        """Return the nodes that are only added to the loss, perhaps as part of a sum or a mean."""
        terms: set[Node] = {self.loss}
        for node in reversed(self.nodes):
            users = self.above(node)
            if users and all(user in terms and _is_linear(user) for user in users):
                terms.add(node)
        return terms

    @cached_property
    def _tangents(self) -> dict[Node, Any]:
        """How all nodes move if all parameters do; {} if a user's rule may take too long for that.

        That is found in one sweep, while gradients take one for each node that is asked for.
        """
        rng, ours = np.random.default_rng(0), all(is_ours(v.rule) for v in self.nodes if v.parents)
        random = {p: rng.uniform(1, 2, p.shape) for p in self.parameters}
        return jvp(self.loss, random) if ours else {}

    def moves(self, node: Node) -> bool:
        """Return whether any parameter can change a node."""
        if self._tangents:
            return bool(np.any(self._tangents[node]))
        slopes = np.random.default_rng(0).uniform(1, 2, node.shape)
        return any(map(np.any, gradients(node, [*self.parameters], slopes)))

    def batch_axis(self, ndim: int) -> int:
        """Return the axis of examples: the first, unless weights are left of their inputs."""
        return 1 if self.weights_on_the_left and ndim == 2 else 0

    def count(self, parameters: Sequence[Node]) -> str:
        """Format how many of all parameters these are."""
        return f"{len(parameters):,} of {len(self.parameters):,} parameters"

    def listed(self, parameters: Iterable[Node]) -> str:
        """List the first parameters by name, with `conv1.*` for all parameters of a part."""
        names = [self.parameters[node] for node in parameters]
        return several(list(dict.fromkeys(_shortened(names, list(self.parameters.values())))))

    def _named(self, parameters: Any) -> dict[Node, str]:
        names: dict[Node, str] = {}
        for name, v in parts_of("diagnose", parameters):
            own = self.call(v) if v in self.inside else v.label or self.recording.names.get(id(v))
            names.setdefault(v, name or own or f"parameter {len(names) + 1}")
        return names

    def _guessed(self) -> dict[Node, str]:
        """Guess the parameters: leaves that are weights, and others that cannot be inputs.

        If there are weights, or any with a name, others without a name are left out; unless these
        are numbers that are only added, as the bias of a neuron of scalars is. One without a name
        that is only added to the loss is the start of a sum.
        """
        weights, inputs, terms = self.weights, set(self.inputs()), self._terms()
        leaves = [v for v in self.nodes if v.rule is None and (v in weights or v not in inputs)]
        has_name = {v for v in leaves if v.label or id(v) in self.recording.names}
        leaves = [v for v in leaves if v in has_name or v not in terms] or leaves
        named = [v for v in leaves if v in weights or v in has_name]
        users = ((v, user.rule) for v in named for user in self.above(v))
        told = self.parameters or any(v.shape or rule is not arithmetic.add for v, rule in users)
        guessed = named if told else leaves
        return {leaf: self.call(leaf) for leaf in guessed}

    def inputs(self) -> Iterator[Node]:
        """List the operands of products that are data rather than weights."""
        for node in (v for v in self.nodes if v.parents):
            operands = node.parents
            if node.rule is linear.weighted_sum:
                n = len(operands) // 2
                yield from (p for p in operands[n : 2 * n] if isinstance(p, Node))
            elif node.rule is convolution.conv or (
                node.rule is linear.matmul
                and isinstance(operands[1], Node)
                and not self.weights_on_the_left
            ):
                yield from (p for p in operands[:1] if isinstance(p, Node))

    def _rows(self) -> dict[Node, str]:
        """Name the layer of each node: the outermost scope that is not a sequence of layers.

        Without a scope, a layer is named after the parameter array that it uses, an activation by
        itself, or if there are many by the parameter right below, and all else by its operation.
        """
        made = [node for node in self.nodes if node.parents] or [self.loss]
        cut = _cut_scopes(made)
        traits = {v: traits_of(v.rule) for v in made if v.shape and not v.about.scope}
        active = {v for v, of in traits.items() if of.chooses or of.unit == "squash"}
        rows = dict[Node, str]()
        for node in made:
            scope = node.about.scope
            rows[node] = cut[scope] if scope else self._unscoped(node, active, rows)
        return rows

    def _unscoped(self, node: Node, active: Set[Node], rows: Mapping[Node, str]) -> str:
        if node in active and len(active) <= ROWS:
            return self.call(node)
        for p in node.parents:
            if isinstance(p, Node) and (node.shape or p.shape):
                if (leaf := leaf_below(p)) in self.parameters:
                    return self.parameters[leaf]
                if node in active and p not in active and rows.get(p) in self.parameters.values():
                    return rows[p]
        return node.op or "leaf"


def _is_linear(node: Node) -> bool:
    """Return whether a node is a sum, or a multiple of its only operand that is a Value."""
    if node.rule is arithmetic.mul:
        return not all(isinstance(p, Node) for p in node.parents)
    return node.rule in SUMS or (
        node.rule is arithmetic.div and not isinstance(node.parents[1], Node)
    )


def is_size_of(node: Node, leaf: Node) -> bool:
    """Return whether a node is the square, another power, or the length of a leaf."""
    if leaf.parents or any(isinstance(p, Node) and p is not leaf for p in node.parents):
        return False
    squares = node.rule is arithmetic.mul and node.parents[0] is node.parents[1]
    return squares or traits_of(node.rule).unit in ("power", "norm")


def first_of(node: Node) -> Node | None:
    """Return the first operand of a node if there is one and it is a Value; None otherwise."""
    return next((p for p in node.parents[:1] if isinstance(p, Node)), None)


def made_of(node: Node) -> Node:
    """Return the node below those that only reshape or select."""
    while traits_of(node.rule).unit in ("move", "copy") and len(node.parents) == 1:
        node = node.parents[0]
    return node


def parts_of(name: str, parameters: Any, lead: str = "") -> Iterator[tuple[str, Value]]:
    """Read parameters: a Value, a module, or lists and dicts of them.

    Yields the name of each, or "", and its Value. Raises DataError for anything else; the message
    begins with `name`.
    """
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(parameters, Value):
        yield lead, parameters
        return
    is_class = isinstance(parameters, type)
    if hasattr(parameters, "named_parameters") and not is_class:
        pairs = parameters.named_parameters()
    elif isinstance(parameters, Mapping):
        pairs = parameters.items()
    elif callable(getattr(parameters, "parameters", None)) and not is_class:
        pairs = (("", v) for v in parameters.parameters())
    elif isinstance(parameters, Iterable) and not (
        isinstance(parameters, str) or hasattr(parameters, "shape")  # such as a tensor
    ):
        parts = list(parameters)
        modules = [i for i, v in enumerate(parts) if hasattr(v, "named_parameters")]
        keyed = range(len(parts)) if lead else modules * (len(modules) > 1)
        pairs = ((i if i in keyed else "", v) for i, v in enumerate(parts))
    else:
        got = f"the class {parameters.__name__}" if is_class else type(parameters).__name__
        raise DataError(
            f"{name}: parameters must be Values, modules that have .parameters(), or lists or "
            f"dicts of them, got {got}"
        )
    for key, part in pairs:
        yield from parts_of(name, part, ".".join(filter(None, (lead, str(key)))))


def _shortened(names: list[str], known: list[str]) -> Iterator[str]:
    """Replace names by `part.*` for the largest parts whose parameters are all among them."""
    own = Counter(part for name in names for part in _around(name, "."))
    all_of = Counter(part for name in known for part in _around(name, "."))
    for name in names:
        whole = (p for p in _around(name, ".") if own[p] == all_of[p] > 1)
        yield next((f"{p}.*" for p in whole), name)


def _around(name: str, separator: str) -> list[str]:
    """List the parts around a parameter, or the scopes around a scope, the outermost first."""
    parts = name.split(separator)
    return [separator.join(parts[:i]) for i in range(1, len(parts))]


def _has_weights_on_the_left(nodes: list[Node]) -> bool:
    """Return whether products are W @ x rather than x @ W: a leaf times a computed node."""
    left = 0
    for node in nodes:
        if node.rule is linear.matmul and node.parents:
            x, w = (isinstance(p, Node) and leaf_below(p).rule is None for p in node.parents)
            shape = np.shape(node.parents[0])
            left += (x and (w or shape != 2 * shape[:1])) - w  # a square one may mix examples
    return left > 0


def _cut_scopes(nodes: list[Node]) -> dict[str, str]:
    """Map each scope to its layer.

    Parts of a scope that begin at different depths are layers of their own. Parts that begin at one
    depth, such as the neurons of a layer, are one layer.
    """
    depth: dict[Node, int] = {}
    first: dict[str, int] = {}
    for node in nodes:
        below = [depth.get(p, 0) for p in node.parents if isinstance(p, Node)]
        depth[node] = 1 + max(below, default=0)
        scope = node.about.scope
        first[scope] = min(first.get(scope, depth[node]), depth[node])
    begins: dict[str, int] = {}
    for scope, d in first.items():
        for path in (*_around(scope, "/"), scope):
            begins[path] = min(begins.get(path, d), d)
    parts = grouped(begins, lambda path: path.rpartition("/")[0])
    split = {whole for whole, paths in parts.items() if len({begins[p] for p in paths}) > 1}
    split |= {path for whole in split for path in _around(whole, "/")}
    return {s: next((p for p in _around(s, "/") if p not in split), s) for s in first}
