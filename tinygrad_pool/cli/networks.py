"""Commands that take a script's network to other libraries, or beside one."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinygrad_pool.cli import scripts
from tinygrad_pool.engine.value import Value
from tinygrad_pool.errors import GradientError, OptionError
from tinygrad_pool.files import check_folder
from tinygrad_pool.formatting import counted
from tinygrad_pool.nn.module import Module


def export(options: argparse.Namespace) -> None:
    """Write a network of a script, or the graph of a Value, as an ONNX file."""
    from tinygrad_pool.bridges import to_onnx

    check_folder(options.out)
    made = scripts.made_by(options, "export")
    network = _network(made, options)
    inputs = [_input(made, name, options) for name in options.inputs.split(",") if name]
    if isinstance(network, Module) and not inputs:
        raise OptionError(
            "export: a network needs example inputs: --inputs x names arrays or Values that the "
            f"script made; it has {', '.join(_numbers_in(made)) or 'none'}"
        )
    path = to_onnx(network, options.out, *inputs)
    print(f"{path} has {type(network).__name__} of {options.script}")


def _network(made: dict[str, Any], options: argparse.Namespace) -> Module | Value:
    """Choose what is called so; else the last network; else the last number."""
    networks = {n: v for n, v in made.items() if isinstance(v, Module)}
    if options.value in networks:
        return networks[options.value]
    if options.value is None and networks:
        return [*networks.values()][-1]
    return scripts.value_of(made, options.value, str(options.script))


def _numbers_in(made: dict[str, Any]) -> list[str]:
    return [n for n, v in made.items() if isinstance(v, Value | np.ndarray)]


def _input(made: dict[str, Any], name: str, options: argparse.Namespace) -> Any:
    name = name.strip()
    if name not in _numbers_in(made):
        known = ", ".join(_numbers_in(made)) or "none"
        raise OptionError(
            f"export: {options.script} has no array or Value called {name!r}; it has {known}"
        )
    return made[name]


def crosscheck(options: argparse.Namespace) -> None:
    """Compute each node of a script's graph in PyTorch, too, and compare.

    Raises GradientError if something differs.
    """
    from tinygrad_pool import bridges

    value, _ = scripts.fresh_from(options, "crosscheck")
    result = bridges.crosscheck(value)
    print(result)
    if not result.ok:
        n = len(result.differences)
        raise GradientError(f"crosscheck: {counted(n, 'difference')} from PyTorch")
