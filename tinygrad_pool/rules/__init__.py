"""Calculus: rules of arrays, which know of no graph."""
