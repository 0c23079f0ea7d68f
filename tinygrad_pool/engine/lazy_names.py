"""Names of a package that are loaded when they are first asked for: each is written once."""

import re
from importlib import import_module
from typing import Any


def homes_of(package: dict[str, Any], assigned: str = "") -> dict[str, str]:
    """Read from the __init__.pyi of a package which module each name is in.

    A module is its own home. Names that the stub only assigns, as a = b = c, are in `assigned`.
    `package` is what `globals()` returns in its __init__.py.
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
    """Load a name from its home, which may itself be the module of that name."""
    module = import_module(home)
    return module if home.endswith(f".{name}") else getattr(module, name)
