"""The graph and its backward pass. Read `rules/rule.py` first, then value, lift and backward."""
