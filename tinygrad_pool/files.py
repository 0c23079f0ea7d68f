"""Write files completely or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES
from pathlib import Path

from tinygrad_pool.errors import OutputError


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file atomically: write a temporary file in the same folder, then rename it.

    An existing file keeps its permissions; of a symbolic link, the target is replaced. A device or
    a pipe is written to directly. Text is encoded as UTF-8, lone surrogates as ?. Raises
    OutputError if the folder does not exist, or if it or the file is not writable.
    """
    path = check_folder(path)
    target = Path(os.path.realpath(path))
    draft = _draft_beside(target)
    with _as_output_error(path):
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        if target.exists() and not (target.is_file() or target.is_dir()):
            _write(target, content)
            return path
        try:
            _write(draft, content)
            with suppress(FileNotFoundError):  # the target is new
                shutil.copymode(target, draft)
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
    return path


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[dict[str, bytes | str]]:
    """Yield a dict to fill with file contents by name; on exit, write them to the folder `path`.

    If anything fails before that, `path` is unchanged. Raises OutputError at once if `path` is a
    file or is not writable; for a new folder, if its parent does not exist or is not writable.
    """
    path = check_folder(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file, not a folder to write into")
    beside = path / "file" if path.is_dir() else path  # a folder may be a disk of its own
    draft = _draft_beside(Path(os.path.realpath(beside)))
    with _as_output_error(path):
        draft.mkdir()
    try:
        files: dict[str, bytes | str] = {}
        yield files
        for name, content in files.items():
            with _as_output_error(path / name):
                _write(draft / name, content)
        with _as_output_error(path):
            path.mkdir(exist_ok=True)
            for name in files:
                (draft / name).replace(path / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Return a path, checked: raise OutputError if it is not one or its folder does not exist.

    >>> check_folder("absent/graph.svg")
    Traceback (most recent call last):
    tinygrad_pool.errors.OutputError: absent/graph.svg: the folder absent does not exist
    """
    path = path_of(path)
    with _as_output_error(path), suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)
    if not path.parent.is_dir():
        folder = _printable(path.parent)
        missing = f"the folder {folder} does not exist"
        problem = f"{folder} is not a folder" if path.parent.exists() else missing
        raise OutputError(f"{_printable(path)}: {problem}")
    return path


def path_of(path: object) -> Path:
    """Convert to a Path. Raises OutputError if it is not a path.

    >>> path_of(3)
    Traceback (most recent call last):
    tinygrad_pool.errors.OutputError: a file needs a path, got 3
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise OutputError(f"a file needs a path, got {path!r:.80}")
    return Path(path)


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a file in lower case, without the dot: html for .htm, dot for .gv.

    >>> kind_of("Graph.SVG"), kind_of("Page.HTM"), kind_of("graph")
    ('svg', 'html', '')
    """
    suffix = Path(path).suffix.removeprefix(".").lower()
    return {"htm": "html", "gv": "dot"}.get(suffix, suffix)


def check_path(path: str | os.PathLike[str], what: str, *kinds: str) -> Path:
    """Check a path like `check_folder`, and its suffix. Raises OutputError for other kinds.

    >>> check_path("run.txt", "to_html", "html")
    Traceback (most recent call last):
    tinygrad_pool.errors.OutputError: to_html: run.txt needs the suffix .html
    """
    path = check_folder(path)
    if kind_of(path) not in kinds:
        raise OutputError(f"{what}: {path} needs the suffix .{' or .'.join(kinds)}")
    return path


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into an OutputError that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{_printable(path)}: cannot be written: {error.strerror or error}"
        ) from error
    except ValueError as error:  # a null character or a lone surrogate; Python's messages vary
        raise OutputError(
            f"{_printable(path)}: cannot be written: not a possible file name"
        ) from error


def _printable(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _draft_beside(path: Path) -> Path:
    """Return a unique hidden path in the same folder."""
    return path.parent / f".tinygrad_pool.{os.urandom(8).hex()}"


def _write(path: Path, content: bytes | str) -> None:
    """Write a file; a new one gets default permissions."""
    with path.open("wb") as file:
        file.write(content.encode(errors="replace") if isinstance(content, str) else content)
