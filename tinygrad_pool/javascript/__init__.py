"""Both passes of a graph as JavaScript, for a page that computes by itself.

A rule is run once more on `Traced` numbers, which answer for NumPy's functions as Values do in a
higher-order pass, and write down what is done. So a derivative is written once, in its rule. (The
program that `unroll` runs is printed from the source of rules instead, for Python's floats alone.)
"""

from tinygrad_pool.javascript.program import Program, program_of, runtime

__all__ = ["Program", "program_of", "runtime"]
