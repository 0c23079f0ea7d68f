"""Calculus: rules on arrays. Nothing here knows about graphs."""
