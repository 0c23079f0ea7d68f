"""How users write it: mypy --strict reads this file, and nothing ever runs it."""
