"""Mutation testing: make mistakes in the package, one at a time, and check that a test fails.

    python tests/mutants.py                      two mutants of every module
    python tests/mutants.py --each 9 rules       nine of each module in a folder, or of one file
    python tests/mutants.py --since HEAD~1       of the modules that changed since a commit
    python tests/mutants.py --list               list them without running them

A mutant is run against the doctests of its module and the tests that mirror it, then against those
of its folder, the slow ones last, then against the whole test suite except the list of messages. A
mutant that survives needs a new test, or an entry in `mutants.toml` that says why it changes
nothing. Which mutants of a module are tried depends only on their text, so it is the same for
everyone.
"""

import argparse
import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
ANSWERS = Path(__file__).with_name("mutants.toml")
SECONDS = 1200
"""A mutant whose tests run longer counts as noticed: it does not end."""

WHOLE = ["--ignore=tests/test_messages.py"]  # any change of an error changes the list of messages
"""The whole test suite, as options of pytest."""

NO_TESTS = 5
"""The exit code of pytest for a module with neither doctests nor tests."""

NO_END, NO_NAME = "no end", "exit code"
"""How a mistake is noticed if pytest names no test: it runs for ever, or cannot start."""

OPPOSITE = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OTHER_NAME = {
    "greater": "greater_equal",
    "greater_equal": "greater",
    "maximum": "minimum",
    "argmax": "argmin",
    "ceil": "floor",
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
}
OTHER_CONSTANT = {True: False, False: True, "first": "last", "last": "first"}
KEEPS_THE_VALUE = {"unbroadcast", "copy", "deepcopy", "array", "cast_like", "sorted"}
ONLY_SPEED = {"FEW", "CELLS", "UNITS", "NUMBERS", "ZEROS", "BLOCK", "maxsize"}
"""Names that choose between two ways to compute the same numbers: they only affect speed."""

ONLY_TYPES = {"TypeVar", "ParamSpec", "NewType", "cast", "overload"}


SMALL = (ast.Assign, ast.AnnAssign, ast.Compare, ast.BinOp, ast.Call, ast.keyword)


class Mutant(NamedTuple):
    """One edit: its module, function and kind, and the old and the new text."""

    path: str
    where: str
    kind: str
    old: str
    new: str
    line: int
    text: str  # the whole module, edited

    def __str__(self):
        return f"{self.path}:{self.line} {self.where}: {self.kind}: {self.old} -> {self.new}"

    @property
    def key(self):
        """Identifies the mutant, also when lines move."""
        return (self.path, self.where, self.kind, self.old, self.new)

    @property
    def rank(self):
        """A reproducible pseudo-random order."""
        return hashlib.sha256("\n".join(self.key).encode()).hexdigest()


def edits_of(node):  # noqa: PLR0912 - one case per kind of mistake
    """Yield the mistakes to make at one node of a syntax tree: the kind, and the new text."""
    text = ast.unparse
    match node:
        case ast.Compare(left, [op], [right]):
            new = ast.Compare(left, [OPPOSITE[type(op)]()], [right])
            yield "flip a comparison", text(new)
        case ast.BinOp(left, op, right) if type(op) in OPPOSITE and not _has_text(left):
            yield "change an operator", f"({text(ast.BinOp(left, OPPOSITE[type(op)](), right))})"
        case ast.BoolOp(op, values):
            yield "change a connective", f"({text(ast.BoolOp(OPPOSITE[type(op)](), values))})"
        case ast.UnaryOp(ast.Not() | ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "drop a sign", f"({text(operand)})"
        case ast.AugAssign(target, ast.Add(), value):
            yield "lose a sum", f"{text(target)} = {text(value)}"
        case ast.Expr(ast.Call(ast.Attribute(ast.Attribute(_, "add"), "at"), [to, at, what])):
            yield "lose a scatter-add", f"{text(to)}[{text(at)}] = {text(what)}"
        case ast.Expr(ast.Call()):
            yield "skip a call", "pass"
        case ast.Raise():
            yield "remove a check", "pass"
        case ast.Return(ast.Tuple([first, second, *others])):
            yield "swap results", text(ast.Return(ast.Tuple([second, first, *others])))
        case ast.Call(ast.Name(name) | ast.Attribute(_, name), [kept, *_]) if (
            name in KEEPS_THE_VALUE
        ):
            yield f"drop {name}", f"({text(kept)})"
        case ast.Call(ast.Attribute(kept, "copy"), []):
            yield "drop copy", f"({text(kept)})"
        case ast.Call(function, arguments, [option, *others]) if option.arg != "strict":
            yield "forget an option", text(ast.Call(function, arguments, others))
        case ast.Attribute(value, name) if name in OTHER_NAME:
            yield "take another function", f"{text(value)}.{OTHER_NAME[name]}"
        case ast.Constant(bool() | "first" | "last" as value):
            yield "change a constant", repr(OTHER_CONSTANT[value])
        case ast.Constant(int(value)):
            yield "be off by one", str(value + 1)
        case ast.If(ast.Name("TYPE_CHECKING"), _):
            pass  # an import for types alone, which costs time and changes nothing
        case ast.If(test, _) | ast.IfExp(test) if not _words(test) & ONLY_SPEED:
            yield "turn a condition round", test


def _words(node):
    return set(re.findall(r"\w+", ast.unparse(node)))


def _has_text(node):
    return any(
        isinstance(n, ast.Constant | ast.JoinedStr) and not _is_number(n) for n in ast.walk(node)
    )


def _is_number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def mutants_of(path, root=ROOT):
    """List every mutant of one module, in the order of its text."""
    source = (root / path).read_text("utf-8")
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    raw, found = source.encode(), {}
    for where, node in _places(ast.parse(source)):
        for kind, new in edits_of(node):
            place = node
            if kind == "turn a condition round":
                place, new = new, f"(not ({ast.unparse(new)}))"  # noqa: PLW2901
            start = starts[place.lineno - 1] + place.col_offset
            stop = starts[place.end_lineno - 1] + place.end_col_offset
            text = (raw[:start] + new.encode() + raw[stop:]).decode()
            old = " ".join(raw[start:stop].decode().split())
            mutant = Mutant(str(path), where, kind, old, " ".join(new.split()), place.lineno, text)
            if _compiles(text):
                found.setdefault(mutant.key, mutant)
    return list(found.values())


def _compiles(text):
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _places(tree, where="module"):
    """Walk a tree, without annotations, docstrings, imports and code that only mypy reads."""
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns", "decorator_list", "type_comment"}:
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or isinstance(node, ast.Import | ast.ImportFrom):
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
                continue  # -1, as in reshape or x[-1]: another number may mean the same
            if isinstance(node, ast.keyword) and node.arg == "strict":
                continue  # it matters only if lengths differ, by a mistake elsewhere
            words = _words(node) if isinstance(node, SMALL) else set()
            if words & ONLY_SPEED or (isinstance(node, ast.Call) and words & ONLY_TYPES):
                continue
            inside = isinstance(node, ast.FunctionDef | ast.ClassDef)
            here = f"{where}.{node.name}".removeprefix("module.") if inside else where
            yield here, node
            yield from _places(node, here)


def suites_of(path, near=False):
    """Yield the tests to run: those of the module, of its folder and, unless near, all."""
    below = Path(path).relative_to("tinygrad_pool")
    room, mirror = Path("tests", below.parts[0]), Path("tests", below.parent, f"test_{below.name}")
    own = [str(path), *([str(mirror)] if (ROOT / mirror).exists() else [])]
    yield ["-m", "not (huge or browser)", *own]
    if room.is_dir():
        yield [str(room), "tests/test_tour.py"]
        yield ["-m", "(slow or long) and not (huge or browser)", str(room)]
    if not near:
        yield WHOLE


def fails(tree, tests=()):
    """Run tests in a copy of the project; return the name of the first that fails, or ""."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return NO_END
    if done.returncode in (0, NO_TESTS):
        return ""
    text = done.stdout.decode(errors="replace")
    match = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", text, re.MULTILINE)
    return match[1] if match else f"{NO_NAME} {done.returncode}"


def alone(noticed, tree, near=False):
    """Return a test that noticed a mutant but fails without a mistake too, or ""."""
    named = {name for name in noticed.values() if not name.startswith((NO_END, NO_NAME))} - {""}
    nameless = {mutant.path for mutant, name in noticed.items() if name.startswith(NO_NAME)}
    begun = [[*suite, "--collect-only"] for path in nameless for suite in suites_of(path, near)]
    suites = [["-m", "", *sorted(named)]] * bool(named) + begun
    return next(filter(None, (fails(tree, suite) for suite in suites)), "")


def noticed_by(mutant, tree, near=False):
    """Run a mutant in a copy of the project; return the name of a test that fails, or ""."""
    target = tree / mutant.path
    whole = target.read_text("utf-8")
    target.write_text(mutant.text, "utf-8")
    try:
        return next(
            filter(None, (fails(tree, suite) for suite in suites_of(mutant.path, near))), ""
        )
    finally:
        target.write_text(whole, "utf-8")


def answers():
    """Read the mutants that change nothing, and why."""
    listed = tomllib.loads(ANSWERS.read_text("utf-8")).get("answer", [])
    return {(a["path"], a["where"], a["kind"], a["old"], a["new"]): a["why"] for a in listed}


def chosen(paths, each, answered=()):
    """Choose `each` mutants of each module, by rank, without those that have an answer."""
    for path in paths:
        mutants = sorted(mutants_of(path), key=lambda mutant: mutant.rank)
        yield from [m for m in mutants if m.key not in answered][:each]


def modules(wanted, since):
    """List the modules in the given folders or files, or those that changed since a commit."""
    if since:
        command = ["git", "diff", "--name-only", "--diff-filter=d", since, "--", "tinygrad_pool"]
        text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [Path(name) for name in text.split() if name.endswith(".py")]
    package = ROOT / "tinygrad_pool"
    listed = [package / name for name in wanted or ["."]]
    found = [p for at in listed for p in (sorted(at.rglob("*.py")) if at.is_dir() else [at])]
    return [path.relative_to(ROOT) for path in found if path.name != "__main__.py"]


def main(arguments=None):
    """Try mutants; return the number of survivors without an answer."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", help="folders or files in tinygrad_pool/; default: all")
    parser.add_argument("--each", type=int, default=2, help="mutants per module")
    parser.add_argument("--most", type=int, help="mutants in total")
    parser.add_argument("--since", metavar="COMMIT", help="only modules that changed since")
    parser.add_argument("--near", action="store_true", help="run only the tests of the folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="only list them")
    wanted = parser.parse_args(arguments)
    mutants = list(chosen(modules(wanted.paths, wanted.since), wanted.each, answers()))
    mutants = sorted(mutants, key=lambda mutant: mutant.rank)[: wanted.most]
    if wanted.list:
        print(*mutants, sep="\n")
        return 0
    with TemporaryDirectory() as folder, ThreadPoolExecutor(wanted.jobs) as pool:
        trees = SimpleQueue()
        for job in range(wanted.jobs):
            names = shutil.ignore_patterns(
                ".git", ".*_cache", "_build", "__pycache__", "*.egg-info"
            )
            tree = shutil.copytree(ROOT, Path(folder, str(job)), ignore=names)
            trees.put(tree)
        if not wanted.near and (name := fails(tree, WHOLE)):
            print(f"the tests fail without a mistake: {name}")
            return 1

        def tried(mutant):
            tree = trees.get()
            try:
                return noticed_by(mutant, tree, wanted.near)
            finally:
                trees.put(tree)

        noticed = {}
        for mutant, name in zip(mutants, pool.map(tried, mutants), strict=True):
            print("noticed " if name else "SURVIVES", mutant, name and f"by {name}", flush=True)
            noticed[mutant] = name
        if name := alone(noticed, tree, wanted.near):
            print(f"fails without a mistake too: {name}")
            return len(mutants)
    survivors = list(noticed.values()).count("")
    print(f"{len(mutants)} mutants, {survivors} survive without an answer")
    return survivors


if __name__ == "__main__":
    sys.exit(min(main(), 1))
