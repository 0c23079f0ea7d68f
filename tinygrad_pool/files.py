"""Files are written whole or not at all."""

import os
import tempfile
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
