"""Files are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygrad_pool.errors import OutputError


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file by way of a temporary one beside it, so that no half of it is ever seen.

    Text is written as UTF-8. Raises OutputError if the folder does not exist
    or cannot be written.
    """
    path = check_folder(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).chmod(0o666 & ~_umask())
        Path(draft).replace(path)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return path


def check_folder(path: str | os.PathLike[str]) -> Path:
    """Raise OutputError if the folder that a file is to be written into does not exist."""
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")
    return path


def _move_files(draft: Path, path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
        for file in sorted(draft.iterdir()):
            file.replace(path / file.name)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Offer an empty folder to write into; its files appear in `path` when all of them are done.

    Whatever goes wrong before that leaves `path` as it was. Raises OutputError at once if `path` is
    a file, or its own folder does not exist or cannot be written.
    """
    path = check_folder(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file, and a folder is to be written there")
    try:
        draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield draft
        _move_files(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
