"""messages.txt, the text of all error messages, to be read as a whole.

`python tests/test_messages.py` writes it; the test fails if it is out of date.
"""

import ast
from pathlib import Path

import pytest

TEXT = Path(__file__).parent / "messages.txt"
PACKAGE = Path(__file__).parents[1] / "tinygrad_pool"
HEAD = """\
All errors that the package raises, by module. {…} is filled in; ⟨a | b⟩ is one of the two.
`python tests/test_messages.py` writes this file from the code: edit the code, not this file.
"""
INSIDE = {"SystemExit"}
"""Exceptions that users never see as an error."""


def template(node, texts):
    """Format an expression: texts as they are, everything else in braces."""
    match node:
        case ast.Constant(value=str(text)):
            written = text
        case ast.JoinedStr(values=parts):
            written = "".join(template(part, texts) for part in parts)
        case ast.FormattedValue(value=ast.JoinedStr() | ast.IfExp() | ast.Name() as value):
            written = template(value, texts)
        case ast.FormattedValue(value=value):
            written = f"{{{ast.unparse(value)}}}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            written = template(left, texts) + template(right, texts)
        case ast.IfExp(body=body, orelse=orelse):
            written = f"⟨{template(body, texts)} | {template(orelse, texts)}⟩"
        case _:
            code = ast.unparse(node)
            written = texts.get(code, f"{{{code}}}")
    return written


def texts_in(scope, outer):
    """Map the names of texts in a module or a function to their texts."""
    texts = dict(outer)
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if any(
                isinstance(part, ast.Constant) and isinstance(part.value, str)
                for part in (value, *ast.iter_child_nodes(value))
                if isinstance(value, ast.Constant | ast.JoinedStr | ast.IfExp | ast.BinOp)
            ):
                texts[name] = template(value, outer)
    return texts


def messages(scope, outer):
    """Yield the errors made in a module or a function, in order: class and text of each."""
    texts = texts_in(scope, outer) if isinstance(scope, ast.FunctionDef) else outer
    for node in ast.iter_child_nodes(scope):
        match node:
            case ast.Raise(exc=ast.Call(func=made, args=args)) if any(
                isinstance(a, ast.Constant | ast.JoinedStr) for a in args
            ):
                pass
            case ast.Call(func=made, args=args) if ast.unparse(made).endswith("Error"):
                pass
            case _:
                yield from messages(node, texts)
                continue
        name = ast.unparse(made).rpartition(".")[2]
        if name not in INSIDE:
            yield f"{name}: " + " ".join(", ".join(template(a, texts) for a in args).split())


def in_source(source):
    """List the errors of a module."""
    module = ast.parse(source)
    constants = ast.Module([n for n in module.body if isinstance(n, ast.Assign)], [])
    return list(dict.fromkeys(messages(module, texts_in(constants, {}))))


def whole_text():
    """Return the whole text: a paragraph per module, a line per error."""
    paragraphs = [HEAD]
    for path in sorted(PACKAGE.rglob("*.py")):
        if errors := in_source(path.read_text("utf-8")):
            name = path.relative_to(PACKAGE).as_posix()
            paragraphs.append("".join(f"{line}\n" for line in [name, *(f"  {m}" for m in errors)]))
    return "\n".join(paragraphs)


@pytest.mark.covered
def test_the_text_is_up_to_date():
    assert TEXT.read_text("utf-8") == whole_text(), "run python tests/test_messages.py"


def test_no_form_of_raising_is_missed():
    source = (
        'ADVICE = "do " + "that"\n'
        "def f(x, y):\n"
        '    got = f"{x!r:.80} of {y}" if x else "none"\n'
        "    if x:\n"
        '        raise ShapeError(f"f: needs {y:g}, got {got}; {ADVICE}") from None\n'
        "    error = errors.DataError('f: ' + who(y))\n"
        "    raise kind(f'f: {error}')\n"
        "    raise error\n"
        "class C:\n"
        "    def g(self):\n"
        "        return argparse.ArgumentTypeError('g', 2)\n"
        "    def h(self):\n"
        "        raise made_elsewhere(self)\n"
    )
    assert in_source(source) == [
        "ShapeError: f: needs {y}, got ⟨{x} of {y} | none⟩; do that",
        "DataError: f: {who(y)}",
        "kind: f: {error}",
        "ArgumentTypeError: g, {2}",
    ]


if __name__ == "__main__":
    TEXT.write_text(whole_text(), "utf-8")
