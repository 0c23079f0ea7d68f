"""Text in the boxes of a picture: escaped for Graphviz's HTML, and the signs of operations."""

from html import escape

from tinygrad_pool.engine.node import Node
from tinygrad_pool.formatting import plain
from tinygrad_pool.rules.traits import traits_of


def text(given: str) -> str:
    r"""Escape a text for a label in Graphviz's HTML, which reads backslashes, too; cut it if long.

    >>> print(text(r"a<b> & \Gamma"))
    a&lt;b&gt; &amp; \\Gamma
    """
    return escape(plain(given)).replace("\\", r"\\")


def lines(given: str) -> str:
    r"""Write lines of numbers in Graphviz's HTML, with its marks for line breaks and spaces.

    >>> lines("1\u00a0 2\n3\u00a0 4")
    '1&nbsp; 2<BR/>3&nbsp; 4'
    """
    return given.replace("\N{NO-BREAK SPACE}", "&nbsp;").replace("\n", "<BR/>")


def sign(node: Node) -> str:
    """Return the mathematical sign of a node's operation, or its name with a window.

    >>> from tinygrad_pool import Value
    >>> sign(Value(2.0) * 3.0)
    '×'
    """
    windows = node.options.get("windows")
    name = node.op.replace("_", " ")
    if windows:
        return f"{name} {'×'.join(map(str, windows.kernel))}"
    return traits_of(node.rule).sign or name
