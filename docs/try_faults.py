"""Cause faults outside the package, and write what happens to reference/faults.md.

    python docs/try_faults.py

Each fault is real: a limit, a signal, a damaged file or a broken program.
"""

import contextlib
import copy
import io
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import traceback
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import Value
from tinygrad_pool.drawing.dot_program import VARIABLE, picture
from tinygrad_pool.errors import TinygradPoolError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "faults.md"
Fault = Callable[[], str]
FAULTS: dict[str, dict[str, Fault]] = {}
NOBODY = 65534


def register(group: str, title: str) -> Callable[[Fault], Fault]:
    """Add a function that causes a fault and returns what happens."""

    def add(fault: Fault) -> Fault:
        FAULTS.setdefault(group, {})[title] = fault
        return fault

    return add


def outcome(act: Callable[[], object]) -> str:
    """Return the message of a TinygradPoolError, or "works"; other errors end this script."""
    try:
        act()
    except TinygradPoolError as error:
        return f"{type(error).__name__}: {error}"
    return "works"


def forked(act: Callable[[], str]) -> str:
    """Run a function in a child process, which may set limits or die, and return its result."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        with open(read, encoding="utf-8") as words:  # noqa: PTH123  # no path
            message = words.read()
        os.waitpid(child, 0)
        return message
    os.close(read)
    try:
        message = act()
    except BaseException:  # noqa: BLE001  # the parent has to be outcome
        message = traceback.format_exc()
    with open(write, "w", encoding="utf-8") as words:  # noqa: PTH123  # no path
        words.write(message)
    os._exit(0)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Change into a temporary folder."""
    with TemporaryDirectory() as name, contextlib.chdir(name):
        yield Path()


def network() -> Value:
    """Return the loss of a small network with a pool."""
    x = Value(np.arange(16.0).reshape(1, 1, 4, 4), label="x")
    loss = (tg.max_pool2d(x, 2) * 2.0).relu().sum()
    loss.label = "loss"
    return loss


LAYER = tg.nn.Linear(2, 3, rng=0)


def trained(layer: tg.nn.Linear = LAYER) -> tuple[tg.optim.Adam, tg.diagnosis.run.Run]:
    """Train a copy of a layer for one watched step; return the optimizer and the run."""
    net = copy.deepcopy(layer)
    optimizer, run = tg.optim.Adam(net.parameters()), tg.watch(net)
    loss = (net(np.ones((4, 2), np.float32)) ** 2).mean()
    loss.backward()
    run.step(loss)
    optimizer.step()
    return optimizer, run


WRITERS: dict[str, Callable[[Value], object]] = {
    "render(v, '….svg')": lambda v: tg.render(v, "file.svg"),
    "render(v, '….png')": lambda v: tg.render(v, "file.png"),
    "render(v, '….html')": lambda v: tg.render(v, "file.html"),
    "render(v, '….dot')": lambda v: tg.render(v, "file.dot"),
    "record(v).to_html": lambda v: tg.record(v).to_html("file.html"),
    "frames": lambda v: tg.frames(v, "file"),
    "Module.save": lambda _: LAYER.save("file.npz"),
    "Optimizer.save": lambda _: trained()[0].save("file.npz"),
    "watch(net).to_html": lambda _: trained()[1].to_html("file.html"),
    "watch(net).to_csv": lambda _: trained()[1].to_csv("file.csv"),
}


def with_every_writer(act: Callable[[], object], form: Callable[[str], str] = str) -> str:
    """Run each writer after `act`, and return the message, which must be the same for all."""
    messages = set()
    for writer in WRITERS.values():
        with folder():
            loss = network()
            writer(loss)  # works without the fault
        with folder() as here:

            def limited(writer: Callable[[Value], object] = writer, loss: Value = loss) -> str:
                act()
                return outcome(lambda: writer(loss))

            messages.add(form(forked(limited)))
            here.chmod(0o777)
            assert [*here.iterdir()] == [], [*here.iterdir()]
    (message,) = messages
    return message


def without_name(message: str) -> str:
    """Replace the name of the file by FILE."""
    return re.sub(r"file(/[\w.]+|\.\w+)?", "FILE", message)


def fill_disk() -> None:
    """Limit files to 10 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))


@register("Files", f"a full disk (`RLIMIT_FSIZE`), for {len(WRITERS)} ways to write a file")
def full_disk() -> str:
    """Write to each kind of file."""
    return f"`{with_every_writer(fill_disk, without_name)}`; nothing is left behind"


@register("Files", "a folder without write permission, for a user other than root")
def read_only_folder() -> str:
    """Remove the permission to write, and the rights of root, who could still write."""

    def act() -> str:
        Path().chmod(0o555)
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return outcome(lambda: LAYER.save("file.npz"))

    with folder() as here:
        LAYER.save("before.npz")
        message = forked(act)
        here.chmod(0o700)
        assert [path.name for path in here.iterdir()] == ["before.npz"]
    return f"`{without_name(message)}`"


@register("Files", "a process that is killed while it writes, at 50 random moments")
def killed() -> str:
    """Kill a child with SIGKILL, which nothing can catch; then examine the files."""
    chance, sizes = Random(0), {bytes([n]) * 2_000_000 for n in range(2)}
    from tinygrad_pool.files import whole_folder, write_whole

    with folder() as here:
        for _ in range(50):
            if child := os.fork():
                time.sleep(chance.uniform(0.001, 0.02))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            else:
                while True:
                    for content in sizes:
                        write_whole("file.svg", content)
                        with whole_folder("out") as files:
                            files["a"] = content
            for path in (here / "file.svg", here / "out" / "a"):
                assert not path.exists() or path.read_bytes() in sizes
        assert (here / "file.svg").exists()
        names = {p.name for p in here.iterdir() if not p.name.startswith(".tinygrad_pool.")}
        assert names <= {"file.svg", "out"}
    return "the complete old file or the complete new one; a hidden temporary file may remain"


@register("Files", "Ctrl-C while a file is written")
def interrupted_write() -> str:
    """Interrupt the write itself."""

    def act() -> str:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        from tinygrad_pool.files import write_whole

        try:
            while True:
                write_whole("file.svg", bytes(3_000_000))
        except KeyboardInterrupt:
            return "`KeyboardInterrupt`"

    with folder() as here:
        (here / "file.svg").write_bytes(bytes(3_000_000))
        message = forked(act)
        assert [path.name for path in here.iterdir()] == ["file.svg"]
        assert (here / "file.svg").stat().st_size == 3_000_000
    return f"{message}; the old file or the new one, and no temporary file"


DOTS = {
    "hangs": "sleep 60",
    "crashes (`SIGSEGV`)": "kill -SEGV $$",
    "ends with an error": "echo 'Error: out of memory' >&2; exit 3",
    "prints nothing": "cat > /dev/null",
    "prints garbage": "cat > /dev/null; head -c 3000 /dev/urandom",
    "prints half a picture": "cat > /dev/null; echo '<svg><g class=\"graph\">'",
    "cannot be run": "",
}


def broken_dot(body: str) -> Fault:
    """Draw with a `dot` that runs these commands."""
    seconds = 0.5 if "sleep" in body else 60

    def fault() -> str:
        with folder() as here:
            program = here / "dot"
            program.write_text(f"#!/bin/sh\n{body}\n" if body else "no program", "utf-8")
            program.chmod(stat.S_IRWXU if body else stat.S_IRUSR | stat.S_IWUSR)
            os.environ[VARIABLE] = str(program.resolve())
            try:
                message = outcome(lambda: tg.render(Value(2.0).exp(), "file.svg", timeout=seconds))
            finally:
                del os.environ[VARIABLE]
            assert [path.name for path in here.iterdir()] == ["dot"]
            return f"`{message.replace(str(program.resolve()), 'dot').partition('; install')[0]}`"

    return fault


for how, commands in DOTS.items():
    register("Graphviz", f"a `dot` that {how}")(broken_dot(commands))


@register(
    "Graphviz", "a broken `dot` on the PATH, with the wheel of the extra `[render]` installed"
)
def gives_way() -> str:
    """Put the broken program first on the PATH."""
    with folder() as here:
        program = here / "dot"
        program.write_text("#!/bin/sh\nexit 1\n", "utf-8")
        program.chmod(stat.S_IRWXU)
        before = os.environ["PATH"]
        os.environ["PATH"] = f"{here.resolve()}{os.pathsep}{before}"
        try:
            tg.render(Value(2.0).exp(), "file.svg")
        finally:
            os.environ["PATH"] = before
    return "the wheel draws"


MISSING = {
    "matplotlib": ("plot", "tg.draw_windows(tg.max_pool2d(tg.Value([[1.0]]), 1))"),
    "scipy": ("sparse", "tg.weights_of(tg.Value([1.0]) * 2.0).to_scipy()"),
    "PIL": ("plot", "tg.frames(tg.Value(2.0).exp(), 'file', format='gif')"),
    "pygraphviz": ("pdf", "tg.render(tg.Value(2.0).exp(), 'file.pdf')"),
    "torch": ("torch", "tg.bridges.to_torch(tg.nn.ReLU())"),
    "onnx": ("onnx", "tg.to_onnx(tg.Value(2.0).exp(), 'file.onnx')"),
    "anywidget": ("widget", "tg.record(tg.Value(2.0).exp()).widget()"),
    "threadpoolctl": ("demo", "next(demo.train(demo.DigitsNet(seed=0), epochs=1, seed=0))"),
    "graphviz-pure": ("render", "tg.render(tg.Value(2.0).exp(), 'file.svg')"),
}


WITHOUT = """
import sys
sys.modules[{package!r}] = None
import try_faults
from try_faults import tg
from tinygrad_pool.cli import demo
from tinygrad_pool.drawing import dot_program

if {package!r} == "graphviz-pure":
    dot_program._programs_of_wheel = lambda _: iter(())
    dot_program.find_spec = lambda _: None
with try_faults.folder():
    print(try_faults.outcome(lambda: {program}))
"""


def missing(package: str, program: str) -> Fault:
    """Run a program without a package, in a fresh Python that has not imported it."""

    def fault() -> str:
        command = [sys.executable, "-c", WITHOUT.format(package=package, program=program)]
        path = os.pathsep.join([str(ROOT), str(ROOT / "docs")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "PATH": ""}
        message = subprocess.check_output(command, encoding="utf-8", env=environment)
        return f"`{message.strip()}`"

    return fault


for name, (extra, program) in MISSING.items():
    register("Extras", f"`{name}` (extra `[{extra}]`) is not installed")(missing(name, program))


def weights(change: Callable[[bytes], bytes]) -> Fault:
    """Load a changed file of weights."""

    def fault() -> str:
        with folder() as here:
            path = here / "weights.npz"
            path.write_bytes(change(LAYER.to_npz()))
            net = tg.nn.Linear(2, 3, rng=1)
            before = net.state_dict()
            message = outcome(lambda: net.load(path))
            assert all(np.array_equal(before[n], a) for n, a in net.state_dict().items())
            return f"`{message}`"

    return fault


def packed(**arrays: object) -> bytes:
    """Pack arrays as NumPy does, including pickles."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


class Malice:
    """Code that a pickle would run."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


def flipped(whole: bytes, part: bytes) -> bytes:
    """Flip the first bit of a part."""
    at = whole.index(part)
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def bomb(_: bytes) -> bytes:
    """Pack an array that claims to have 16 GB of zeros into 16 kB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("weight", (3, 2)), ("bias", (2**31,))):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array_header_1_0(
                    member, {"descr": "<f8", "fortran_order": False, "shape": shape}
                )
                member.write(bytes(10_000_000))
    return file.getvalue()


FILES: dict[str, Callable[[bytes], bytes]] = {
    "an empty file": lambda _: b"",
    "a text": lambda _: b"weights",
    "the last kilobyte lost": lambda whole: whole[:-200],
    "the first bytes lost": lambda whole: whole[40:],
    "a bit of a number changed": lambda whole: flipped(whole, LAYER.weight.data.tobytes()),
    "an array of Python objects, whose pickle ends the process": lambda _: packed(
        weight=np.array([Malice()], dtype=object), bias=np.zeros(3)
    ),
    "a zip bomb": bomb,
    "a wrong shape": lambda _: packed(weight=np.zeros((2, 3)), bias=np.zeros(3)),
    "a missing name": lambda _: packed(weight=np.zeros((3, 2))),
    "an unexpected name": lambda _: packed(
        weight=np.zeros((3, 2)), bias=np.zeros(3), more=np.zeros(1)
    ),
    "complex numbers": lambda _: packed(weight=np.zeros((3, 2), complex), bias=np.zeros(3)),
    "text instead of numbers": lambda _: packed(weight=np.full((3, 2), "a"), bias=np.zeros(3)),
}
for title, change in FILES.items():
    register("Files of weights, by `Module.load`", title)(weights(change))


@register("Files of weights, by `Module.load`", "a file cut to every possible length")
def cut() -> str:
    """Cut a file at each byte."""
    whole = LAYER.to_npz()
    answers = {weights(lambda _, n=n: whole[:n])() for n in range(len(whole))}  # type: ignore[misc]
    (answer,) = answers
    return answer


STATE_GROUP = "Files of an optimizer's state, by `Optimizer.load`"


def states(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    """Load a changed state into an optimizer that has a different one."""

    def fault() -> str:
        state = trained()[0].state_dict()
        optimizer = trained()[0]
        optimizer.lr = 0.5
        before = optimizer.to_npz()
        with folder() as here:
            path = here / "state.npz"
            path.write_bytes(packed(**change(state)))
            message = outcome(lambda: optimizer.load(path))
        assert optimizer.to_npz() == before
        return f"`{message}`"

    return fault


STATES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "the weights of a network": lambda _: LAYER.state_dict(),
    "the state of another optimizer": lambda _: tg.optim.SGD([Value(1.0)]).state_dict(),
    "the state of a schedule": lambda _: tg.optim.lr_scheduler.StepLR(trained()[0], 2).state_dict(),
    "an additional parameter": lambda state: state | {"2.step": np.array(1)},
    "half of the state of a parameter": lambda s: {n: s[n] for n in s if n != "0.exp_avg"},
    "a wrong shape": lambda state: state | {"0.exp_avg": np.zeros((2, 3))},
    "an array of Python objects, whose pickle ends the process": lambda state: (
        state | {"0.exp_avg": np.array([Malice()], dtype=object)}
    ),
    "text as a learning rate": lambda state: state | {"lr": np.array("fast")},
    "NaN as a learning rate": lambda state: state | {"lr": np.array(np.nan)},
    "betas out of range": lambda state: state | {"betas": np.array([0.9, 1.5])},
    "half a step": lambda state: state | {"0.step": np.array(0.5)},
    "-1 steps": lambda state: state | {"0.step": np.array(-1)},
}
for title, changed in STATES.items():
    register(STATE_GROUP, title)(states(changed))


@register(STATE_GROUP, "a file cut to every possible length")
def cut_state() -> str:
    """Cut a file at each byte."""
    optimizer = trained()[0]
    whole = optimizer.to_npz()
    message = set()
    with folder() as here:
        for n in range(len(whole)):
            (here / "state.npz").write_bytes(whole[:n])
            message.add(outcome(lambda: optimizer.load("state.npz")))
    assert optimizer.to_npz() == whole
    (answer,) = message
    return f"`{answer}`"


ONNX_GROUP = "Files of networks, by `from_onnx`"
X = np.ones((2, 3), np.float32)
W = np.ones((3, 3), np.float32)
Step = tuple[str, list[str], list[str]]
PRODUCT: Step = ("MatMul", ["x", "w"], ["y"])


def model(*steps: Step, domain: str = "", **tensors: object) -> Any:
    """Build a model of these operations without checking it; tensors may be arrays or ONNX's."""
    import onnx

    h, floats = onnx.helper, onnx.TensorProto.FLOAT
    return h.make_model(
        h.make_graph(
            [h.make_node(*step, domain=domain) for step in steps],
            "net",
            [h.make_tensor_value_info("x", floats, X.shape)],
            [h.make_tensor_value_info("y", floats, X.shape)],
            [
                a if isinstance(a, onnx.TensorProto) else onnx.numpy_helper.from_array(a, name)
                for name, a in tensors.items()
            ],
        ),
        opset_imports=[h.make_opsetid("", 21)] + [h.make_opsetid(domain, 1)] * bool(domain),
        ir_version=10,
    )


def tensor(numbers: Any, **changed: object) -> Any:
    """Return w as an ONNX tensor with some fields changed."""
    import onnx

    made = onnx.numpy_helper.from_array(numbers, "w")
    for name, new in changed.items():
        if name == "dims":
            made.dims[:] = new
        else:
            setattr(made, name, new)
    return made


def elsewhere() -> Any:
    """Say that the numbers of w are in another file."""
    import onnx

    made = tensor(W)
    onnx.external_data_helper.set_external_data(made, "../../etc/passwd")
    made.ClearField("raw_data")
    return model(PRODUCT, w=made)


def branch() -> Any:
    """Build a model that chooses between two graphs."""
    import onnx

    h, y = onnx.helper, onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, X.shape)
    same = h.make_graph([h.make_node("Identity", ["x"], ["y"])], "same", [], [y])
    made = model(w=np.bool_(True))
    made.graph.node.append(h.make_node("If", ["w"], ["y"], then_branch=same, else_branch=same))
    return made


def nested(_: bytes) -> bytes:
    """Nest 10,000 graphs in attributes of nodes, byte by byte, since ONNX refuses to."""
    made = b""
    for _ in range(10_000):
        for field in (6, 5, 1):  # an attribute's graph, a node's attribute, a graph's node
            made = bytes([field << 3 | 2]) + varint(len(made)) + made
    return model(PRODUCT, w=W).SerializeToString() + bytes([7 << 3 | 2]) + varint(len(made)) + made


def varint(n: int) -> bytes:
    """Write a length as protobuf does."""
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def of_opset(version: int) -> Any:
    """Build a model that claims another version of ONNX."""
    made = model(PRODUCT, w=W)
    made.opset_import[0].version = version
    return made


def loaded(content: bytes) -> str:
    """Read a file of a network and run it; return the outcome."""
    with folder() as here:
        path = here / "net.onnx"
        path.write_bytes(content)
        message = outcome(lambda: tg.from_onnx(path)(X))
    # what follows is ONNX's own text, which differs between its versions
    return re.sub("(not a sound ONNX model): .*", r"\1: …", message)


MODELS: dict[str, Callable[[], Any]] = {
    "numbers in another file, `../../etc/passwd`": elsewhere,
    "a shape that claims 2⁴⁰ numbers": lambda: model(PRODUCT, w=tensor(W, dims=[2**40, 3])),
    "a shape that its numbers do not fill": lambda: model(PRODUCT, w=tensor(W, dims=[3, 4])),
    "a negative shape": lambda: model(PRODUCT, w=tensor(W, dims=[-3, -3])),
    "an unknown dtype": lambda: model(PRODUCT, w=tensor(W, data_type=99)),
    "text instead of numbers": lambda: model(PRODUCT, w=np.full((3, 3), "a", object)),
    "a shape that does not fit its operation": lambda: model(PRODUCT, w=np.ones((2, 3), "f4")),
    "operations in a cycle": lambda: model(("Add", ["x", "y"], ["a"]), ("Add", ["a", "x"], ["y"])),
    "a result that is computed twice": lambda: model(("Exp", ["x"], ["y"]), ("Sin", ["x"], ["y"])),
    "an operand that nothing computes": lambda: model(("Add", ["x", "absent"], ["y"])),
    "no operation at all": model,
    "an operation that ONNX does not have": lambda: model(("Twice", ["x"], ["y"])),
    "a custom operation": lambda: model(("Twice", ["x"], ["y"]), domain="mylib"),
    "a version of ONNX that does not exist": lambda: of_opset(9999),
    "an operation that makes 2⁴² numbers": lambda: model(
        ("ConstantOfShape", ["w"], ["y"]), w=np.array([2**40, 4])
    ),
    "a branch": branch,
    "a parameter called `__class__`": lambda: model(
        ("Add", ["x", "__class__"], ["y"]), __class__=W
    ),
}
for title, made in MODELS.items():
    register(ONNX_GROUP, title)(lambda made=made: f"`{loaded(made().SerializeToString())}`")


CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "an empty file": lambda _: b"",
    "a text": lambda _: b"weights",
    "weights, an `.npz` file": lambda _: LAYER.to_npz(),
    "the last 20 bytes lost": lambda whole: whole[:-20],
    "the first bytes lost": lambda whole: whole[4:],
    "graphs in graphs, 10,000 deep": nested,
}
for title, change in CONTENTS.items():

    def content(change: Callable[[bytes], bytes] = change) -> str:
        """Load a file with changed bytes."""
        return f"`{loaded(change(model(PRODUCT, w=W).SerializeToString()))}`"

    register(ONNX_GROUP, title)(content)


def kinds(answers: Iterable[str]) -> str:
    """List the kinds of errors that many files raise, and "works" if some load."""
    found = sorted({answer.partition(":")[0] for answer in answers})
    return ", or ".join(f"`{kind}`" if kind != "works" else kind for kind in found)


@register(ONNX_GROUP, "a file cut to every possible length")
def cut_network() -> str:
    """Cut a file at each byte."""
    whole = model(PRODUCT, w=W).SerializeToString()
    return kinds(loaded(whole[:n]) for n in range(len(whole)))


@register(ONNX_GROUP, "every bit of a file flipped, one at a time")
def changed_bits() -> str:
    """Flip each bit."""
    whole = model(("Relu", ["x"], ["a"]), ("Add", ["a", "w"], ["y"]), w=W[:1]).SerializeToString()
    flips = ((at, 1 << bit) for at in range(len(whole)) for bit in range(8))
    return kinds(
        loaded(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]) for at, bit in flips
    )


@register(ONNX_GROUP, "a full disk (`RLIMIT_FSIZE`), while `to_onnx` writes one")
def full_disk_for_network() -> str:
    """Write a network with and without a limit on the size of files."""
    x = Value(X, label="x")
    y = x.exp()

    def act() -> str:
        fill_disk()
        return outcome(lambda: tg.to_onnx(y, "net.onnx", x))

    with folder() as here:
        tg.to_onnx(y, "before.onnx", x)
        message = forked(act)
        assert [path.name for path in here.iterdir()] == ["before.onnx"]
    return f"`{message}`; nothing is left behind"


HOSTILE = [
    "<script>document.title = 'hacked'</script>",
    '"><img src=x onerror="document.title = 1">',
    "</title></text></svg><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "-->\n<script>alert(1)</script><!--",
    "&lt;script&gt; &#x0; &unknown;",
    'a", URL="javascript:alert(1)", label="',
    "\\N \\G \\l } digraph { evil",
    "$\\input{/etc/passwd}$ \\write18{id} % { \\",
    "javascript:alert(1)",
    "\u202e\u2028\x00\x1b[31m",
    "${alert(1)} {{7*7}} `id`",
]


def hostile(labels: list[str] = HOSTILE) -> Value:
    """Build a network whose labels and scopes are hostile."""
    total = Value(1.0)
    for label in labels:
        x = Value(2.0, label=label)
        with tg.scope(label.replace("/", "|")):
            y = tg.maximum(x * 3.0, total)
        y.label = label
        total = y
    return total


def pages(here: Path) -> list[Path]:
    """Write every kind of page and picture of it."""
    loss = hostile()
    return [
        tg.render(loss, here / "graph.svg"),
        tg.render(tg.draw_units(loss), here / "units.svg"),
        tg.render(loss, here / "graph.html"),
        tg.record(loss).to_html(here / "pass.html"),
    ]


@register(
    "Hostile labels", f"{len(HOSTILE)} labels of markup, in SVG and in the SVG of pages, parsed"
)
def parsed() -> str:
    """Look for scripts, links and handlers."""
    with folder() as here:
        for path in pages(here):
            (svg,) = re.findall(r"<svg.*?</svg>", path.read_text("utf-8"), re.DOTALL)
            for element in ET.fromstring(svg).iter():
                tag = element.tag.rpartition("}")[2]
                allowed = "svg g title desc polygon path text tspan ellipse polyline rect defs"
                assert tag in f"{allowed} linearGradient stop style marker use a line".split(), tag
                for attribute, value in element.items():
                    assert not attribute.startswith("on"), attribute
                    assert "javascript:" not in value or "href" not in attribute, value
    return "well-formed XML, with the elements and attributes of a plain picture"


@register("Hostile labels", "the same in DOT text")
def in_dot() -> str:
    """Let Graphviz read the text, and count the nodes and edges that it finds."""
    plain, odd = (
        json.loads(picture(tg.draw(hostile(labels)).source, "json0"))
        for labels in ([f"a{i}" for i, _ in enumerate(HOSTILE)], HOSTILE)
    )
    for kind in ("objects", "edges"):
        assert len(plain[kind]) == len(odd[kind])
        assert {*plain[kind][0]} == {*odd[kind][0]}
        assert not any("URL" in found or "href" in found for found in odd[kind])
    return "each remains one string; none adds an attribute or a node"


@register("Hostile labels", "the same in the LaTeX of the chain rule")
def in_equations() -> str:
    """Look for LaTeX commands."""
    loss = hostile()
    latex = tg.derive(loss, next(v for v in loss.parents if isinstance(v, Value))).latex()
    assert not re.search(r"\\(input|write|include|openin|csname|def)\b", latex), latex
    return "letters, every command escaped"


@register(
    "Hostile labels",
    "the same pages, with their MathML of each step, opened in Chromium under a policy that allows "
    "no network",
)
def in_chromium() -> str:
    """Open each page, and record dialogs, errors and requests."""
    from shutil import which

    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    program = which("chromium") or which("google-chrome")
    with folder() as here, sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]
        page = driver.chromium.launch(executable_path=program, args=arguments).new_page()
        page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda r: None if r.url[:5] == "file:" else wrong.append(r.url))
        for path in pages(here):
            page.goto(path.resolve().as_uri())
            assert page.title() != "hacked"
            equations = 0
            if path.name == "pass.html":
                for _ in range(int(page.locator("#at").get_attribute("max") or 0)):
                    page.locator("[data-do=next]").click()
                    equations += page.locator("math").count()
            assert (equations > 0) == (path.name == "pass.html")
            assert page.locator("img, iframe, object, embed, form").count() == 0
        assert wrong == [], wrong
    return "nothing runs, nothing is requested, no error is logged"


FRONT_END = """async ([source, frame]) => {
    const { default: made } = await import("data:text/javascript," + encodeURIComponent(source));
    const state = { frame, step: 0 };
    const model = { get: (name) => state[name], on() {}, off() {}, save_changes() {} };
    model.set = (name, value) => { state[name] = value; };
    made.render({ model, el: document.body });
}"""


@register("Hostile labels", "the same in a widget, whose title is one of them, in Chromium")
def in_a_widget() -> str:
    """Display the widget as a front end does, and record dialogs and errors."""
    from shutil import which

    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    program = which("chromium") or which("google-chrome")
    state = tg.record(hostile()).widget(title=HOSTILE[0]).get_state()
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]
        page = driver.chromium.launch(executable_path=program, args=arguments).new_page()
        page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.evaluate(FRONT_END, [state["_esm"], state["frame"]])
        frame = page.frame_locator("iframe")
        for _ in range(int(frame.locator("#at").get_attribute("max") or 0)):
            frame.locator("[data-do=next]").click()
        assert page.title() != "hacked"
        assert page.locator("body > *").count() == page.locator("body > iframe").count() == 1
        assert frame.locator("img, iframe, object, embed, form").count() == 0
    assert wrong == [], wrong
    return "nothing runs, and nothing leaves the frame"


SCRIPTS = {
    "raises": "1 / 0",
    "exits with 3": "import sys; sys.exit(3)",
    "exits with 0": "import sys; sys.exit(0)",
    "ends without exit handlers": "import os; os._exit(7)",
    "prints bytes that are not text": "import os; os.write(1, bytes([255, 254, 10]))",
    "closes standard output": "import sys; sys.stdout.close()",
    "recurses forever": "def f(): return f()\nf()",
    "is not Python": "y = (2,",
    "loops until Ctrl-C": "open('looping', 'w').close()\nwhile True: pass",
}


def scripted(body: str) -> Fault:
    """Run a script by the command line, and interrupt it if it does not end."""

    def fault() -> str:
        with folder() as here:
            program = f"import tinygrad_pool as tg\nloss = tg.Value(2.0, label='w') ** 2\n{body}\n"
            (here / "net.py").write_text(program, encoding="utf-8")
            command = [sys.executable, "-m", "tinygrad_pool", "tree", "net.py"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            ) as running:
                while "while" in body and not (here / "looping").exists():
                    time.sleep(0.01)
                if "while" in body:
                    running.send_signal(signal.SIGINT)
                out, err = running.communicate()
        words = err.decode(errors="replace").strip().splitlines()
        assert not any(line.startswith("Traceback") for line in words), err
        message = f"exit {running.returncode}"
        if words:
            message += ": `" + re.sub(r"File \"\S*?net.py\"", "net.py", " ".join(words[:2])) + "`"
        return message + ("; the tree is printed" if "**" in out.decode(errors="replace") else "")

    return fault


for title, body in SCRIPTS.items():
    register("A script for the command line that …", title)(scripted(body))


@register("The process", "Ctrl-C inside a backward closure")
def interrupt_in_a_closure() -> str:
    """Interrupt a pass halfway, and run it again."""
    stops = [True]

    def slow(x: float) -> object:
        def slow_backward(g: float) -> object:
            if stops:
                signal.raise_signal(signal.SIGINT)
            return (g,)

        return x, slow_backward

    x = Value(3.0)
    loss = (tg.lift(slow)(x * x) * x) * x  # type: ignore[arg-type]
    with contextlib.suppress(KeyboardInterrupt):
        loss.backward()
    assert not x.has_grad
    stops.clear()
    loss.backward()
    assert x.grad == 4 * 3.0**3
    return "`KeyboardInterrupt`; leaves are as they were, and the next pass is correct"


@register("The process", "Ctrl-C in a closure while stepping")
def interrupt_in_a_step() -> str:
    """Interrupt `backward_steps`."""

    def slow(x: float) -> object:
        return x, lambda _: signal.raise_signal(signal.SIGINT)

    x = Value(3.0)
    loss = tg.lift(slow)(x * x) * x  # type: ignore[arg-type]
    with contextlib.suppress(KeyboardInterrupt):
        list(tg.backward_steps(loss))
    assert not x.has_grad
    return "`KeyboardInterrupt`; leaves are as they were"


@register("The process", "no memory for a result (`RLIMIT_AS`)")
def no_memory() -> str:
    """Allocate far more than is allowed, then continue."""

    def act() -> str:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text("utf-8").split()[0]) * resource.getpagesize()
        x = Value(np.ones(4_000_000))
        y = x * 2.0
        resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000, hard))
        try:
            for _ in range(20):
                y = y * y
        except MemoryError:
            message = "`MemoryError`"
        w = Value(3.0)
        (w * w).backward()
        assert w.grad == 6.0
        return message

    message = forked(act)
    return f"{message}, from NumPy; earlier results remain usable, and the next pass is correct"


@register("The process", "four threads, each with its own graphs")
def threads() -> str:
    """Train in four threads at once, and compare with one thread."""

    def train(seed: int, results: dict[int, bytes]) -> None:
        rng = np.random.default_rng(seed)
        net = tg.nn.Sequential(
            tg.nn.Linear(3, 8, rng=rng), tg.nn.Tanh(), tg.nn.Linear(8, 1, rng=rng)
        )
        descent = tg.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(100):
            x = rng.normal(size=(8, 3))
            loss = tg.nn.mse_loss(net(x), x.sum(axis=1, keepdims=True))
            net.zero_grad()
            loss.backward()
            descent.step()
        results[seed] = net.to_npz()

    alone: dict[int, bytes] = {}
    together: dict[int, bytes] = {}
    for seed in range(4):
        train(seed, alone)
    running = [threading.Thread(target=train, args=(seed, together)) for seed in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert together == alone
    return "the same weights as one thread after another, to the last bit"


def page() -> str:
    """Cause every fault, and write the page."""
    lines = [
        "# Faults, and what happens",
        "",
        "`python docs/try_faults.py` causes each of these faults for real and writes this page.",
        "A test causes them again. An error raised by the package says what was requested, what",
        "went wrong and, where it helps, what to do. A file is written completely or not at all.",
    ]
    for group, faults in FAULTS.items():
        lines += ["", f"## {group}", "", "| fault | what happens |", "| --- | --- |"]
        for title, fault in faults.items():
            print(title, flush=True)
            lines.append(f"| {title} | {row(fault)} |")
    return "\n".join([*lines, ""])


def row(fault: Fault) -> str:
    """Cause one fault, and return what happens, as a cell of a table."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "This process .* multi-threaded", DeprecationWarning)
        return " ".join(fault().replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
