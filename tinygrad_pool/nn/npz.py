"""Read and write arrays in .npz files. Equal arrays give equal files; reading runs no code."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tinygrad_pool.errors import OutputError, TinygradPoolError
from tinygrad_pool.files import path_of
from tinygrad_pool.rules.arguments import Shape

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
WIDEST = 32
"""The size in bytes of the largest number: a complex number of two long doubles."""


def packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays as the contents of an .npz file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), file.getvalue())
    return content.getvalue()


class Member(NamedTuple):
    """An array in an open .npz file; its shape can be read without its data."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def shape(self) -> Shape:
        """Read the shape. Raises ValueError if this is not an array of numbers."""
        with self.archive.open(self.info) as file:
            shape, _, dtype = HEADERS[npy.read_magic(file)](file)
        if dtype.hasobject or dtype.itemsize > WIDEST:
            raise ValueError(dtype)
        return shape

    def array(self) -> NDArray[Any]:
        """Unpack the array. Raises ValueError if anything follows it."""
        with self.archive.open(self.info) as file:
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
            if file.read(1):  # reading to the end checks the checksum
                raise ValueError(self.info)
        return array


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[dict[str, Member]]:
    """Open an .npz file and yield its members by name; they are unpacked on demand.

    Raises OutputError if the file cannot be read, is damaged or of another kind, or contains a name
    twice, also if this is noticed only inside the block.
    """
    try:
        with zipfile.ZipFile(path_of(path)) as archive:
            yield _members(archive)
    except TinygradPoolError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile and NumPy raise many kinds of errors on a damaged file
        raise OutputError(f"{path}: is not an .npz file of plain numbers") from error


def _members(archive: zipfile.ZipFile) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise OutputError(f"{archive.filename}: contains {name!r} twice")
        members[name] = Member(archive, info)
    return members
