"""Inline a rule of numbers: evaluate its source symbolically, as far as it is known beforehand.

The source is read as a syntax tree and carried out, with a symbol for each number that is known
only when the program runs. Options, the number of operands and that they are floats are known: what
they decide is decided. What is left are expressions of numbers, and names for some of them. So a
derivative is written once, in its rule, whatever language it is printed in later.
"""

from tinygrad_pool.codegen.inlining.expansion import LARGE, Inlined, inlined
from tinygrad_pool.codegen.inlining.printing import Text, literal

__all__ = ["LARGE", "Inlined", "Text", "inlined", "literal"]
