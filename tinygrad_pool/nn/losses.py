"""Losses as modules: each holds the options of the function of its name."""
