"""Both passes of a graph as JavaScript, for a page that computes without Python.

Each rule runs once on `Traced` numbers. They implement NumPy's functions, as Values do in a
higher-order pass, and record what is computed. So a derivative is written only once, in its rule.
`unroll` uses the same traced numbers to write Python.
"""

from tinygrad_pool.javascript.program import Constant, Program, constants_of, program_of, runtime

__all__ = ["Constant", "Program", "constants_of", "program_of", "runtime"]
