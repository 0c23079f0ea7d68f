"""The program that an unrolled graph runs: its text, with the rules of numbers inlined.

A number that is used once is inlined, and contributions are added up in one line, unless that gets
too long. All operations are those of the rules, and sums are in the order of `backward()`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tinygrad_pool.codegen.inlining import LARGE, Inlined, Text, inlined, literal
from tinygrad_pool.codegen.writer import Writer
from tinygrad_pool.engine.node import Node
from tinygrad_pool.engine.running import call_options, data_of
from tinygrad_pool.rules.primitive import PYTHON


class Program:
    """Rewrite the lines of a Writer with the rules of numbers inlined."""

    def __init__(self, writer: Writer) -> None:
        self.writer, nodes = writer, [*writer.name]
        loss = nodes[-1]
        self.forward_lines: list[str] = []
        self.backward_lines = [*writer.seed]
        self._inlined: dict[Any, Inlined | None] = {}
        self._rules = {node: rule for node in nodes if (rule := self._rule(node))}
        self._uses = self._count_uses(nodes, loss)
        self._values = {node: Text(name) for node, name in writer.name.items()}
        self._kept: dict[Node, dict[str, Text]] = {}  # intermediate results of the forward pass
        self._grads = {loss: Text(f"g_{writer.name[loss]}")}
        for node in nodes:
            self._forward(node)
        for node in reversed(nodes):
            if node in writer.backward:
                self._backward(node)
        leaves = [node for node in nodes if node.is_leaf]
        self.gradients = {writer.name[leaf]: self._gradient(leaf) for leaf in leaves}

    # -- rules

    def _rule(self, node: Node) -> Inlined | None:
        """Return the rule of a node as expressions, if all its numbers are Python floats."""
        if node.is_leaf or node in self.writer.on_numpy or type(node._numbers) is not float:
            return None
        options = call_options(node)
        data = data_of(node.parents)
        if not all(type(x) is float or (type(x) in PYTHON and abs(x) < 2**53) for x in data):
            return None
        fixed = [None if isinstance(p, Node) else float(p) for p in node.parents]
        texts = self.writer.calls[node][1]
        key = node.rule, *texts[len(fixed) :], *[x is not None for x in fixed]
        if key in self._inlined:
            return self._inlined[key]
        exact = *key, *map(repr, fixed)
        if exact not in self._inlined:
            rule = inlined(node.rule, fixed, options)
            exact = exact if rule and rule.decided else key
            self._inlined[exact] = rule
        return self._inlined[exact]

    def _count_uses(self, nodes: list[Node], loss: Node) -> Counter[Node]:
        """Count how often the text uses each node. Nodes that need a name count twice."""
        count = Counter({loss: 2})
        for node in nodes:
            rule = self._rules.get(node)
            uses = rule and (rule.uses if node in self.writer.backward else rule.uses_forward)
            for i, p in enumerate(node.parents):
                if isinstance(p, Node):
                    count[p] += 2 if uses is None else uses[f"x{i}"]
        return count

    def _texts(self, node: Node) -> dict[str, Text]:
        """Return the text of each operand of a rule, and of its results so far."""
        texts = self._kept.get(node, {})
        for i, p in enumerate(node.parents):
            texts[f"x{i}"] = self._values[p] if isinstance(p, Node) else literal(float(p))
        return texts

    # -- lines

    def _assign(self, lines: list[str], name: str, text: Text) -> Text:
        """Write an assignment, and return the name."""
        lines.append(f"    {name} = {text.text}")
        return Text(name)

    def _forward(self, node: Node) -> None:
        """Write the lines of a node, or keep its expression to be inlined."""
        rule, name = self._rules.get(node), self.writer.name[node]
        if rule is None:
            self.forward_lines += self.writer.forward.get(node, [])
            return
        texts = self._texts(node)
        for part, form in rule.forward.items():
            is_y = rule.y.names == (part,) and not rule.y.size
            new = name if is_y else self.writer.names.new(f"{name}_{part}")
            texts[part] = self._assign(self.forward_lines, new, form.filled(texts))
        if rule.forward:
            self._kept[node] = {part: texts[part] for part in rule.forward}
        y = rule.y.filled(texts)
        if self._uses[node] == 1 and y.size < LARGE:
            self._values[node] = y
        elif y.text != name:
            self._assign(self.forward_lines, name, y)

    def _backward(self, node: Node) -> None:
        """Write the contributions of a node, and add them to the gradients of its operands."""
        rule, name = self._rules.get(node), self.writer.name[node]
        if rule is None:
            for reached in [node, *self.writer.reached[node]]:
                self._settle(reached)
            self.backward_lines += self.writer.backward[node]
            for reached in self.writer.reached[node]:
                self._grads[reached] = Text(f"g_{self.writer.name[reached]}")
            return
        if self._grads[node].size >= (1 if rule.uses["g"] > 1 else LARGE):
            self._settle(node)
        texts = {**self._texts(node), "g": self._grads[node]}
        for part, form in rule.backward.items():
            new = self.writer.names.new(f"{name}_{part}")
            texts[part] = self._assign(self.backward_lines, new, form.filled(texts))
        for p, contribution in zip(node.parents, rule.contributions, strict=True):
            if contribution is not None:
                self._add(p, contribution.filled(texts))

    def _add(self, p: Node, c: Text) -> None:
        """Add a contribution to a gradient."""
        total = self._grads[p].plus(c) if p in self._grads else c
        self._grads[p] = total
        if total.size >= LARGE:
            self._settle(p)

    def _settle(self, node: Node) -> None:
        """Assign the sum of contributions so far to the gradient's name."""
        name = f"g_{self.writer.name[node]}"
        if self._grads.get(node, Text(name)).text != name:
            self._grads[node] = self._assign(self.backward_lines, name, self._grads[node])

    def _gradient(self, leaf: Node) -> str:
        if leaf not in self._grads:
            return self.writer.zeros[leaf]
        if self._grads[leaf].size:
            self._settle(leaf)
        return self._grads[leaf].text
