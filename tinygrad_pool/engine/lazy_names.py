"""Public names that are loaded on first use, from the modules listed in __init__.pyi."""

import re
from importlib import import_module
from typing import Any


def homes_of(package: dict[str, Any], assigned: str = "") -> dict[str, str]:
    """Map each name in the __init__.pyi of a package to the module that defines it.

    A module is its own home. Names that the stub only assigns, as in a = b = c, are in the module
    `assigned`. `package` is the result of `globals()` in its __init__.py.
    """
    stub = package["__loader__"].get_data(f"{package['__file__']}i").decode()
    homes = {}
    for home, names in re.findall(r"^from (\S+) import (\([^)]*\)|.*)", stub, re.M):
        for name in re.findall(r"(\w+) as \1\b", names):
            homes[name] = f"{home}.{name}" if home == package["__name__"] else home
    for names in re.findall(r"^((?:\w+ = )+)\w+$", stub, re.M) if assigned else ():
        homes |= dict.fromkeys(names.split(" = ")[:-1], assigned)
    return homes


def loaded(name: str, home: str) -> Any:
    """Load a name from its home; a module is loaded itself."""
    module = import_module(home)
    return module if home.endswith(f".{name}") else getattr(module, name)
