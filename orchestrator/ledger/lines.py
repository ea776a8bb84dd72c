"""Append-only files of checked lines: what journal and replica are made of.

Each line carries its own checksum. A torn last line (a crash in mid-write: it has no
end) is dropped and overwritten by nobody; any other wrong line is reported, and the lines around it
are still read. Invariant: what was acknowledged is on disk.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that does not read: where it stands, and whether it is only a torn end."""

    path: Path
    number: int
    is_torn_end: bool


def encode(value: dict[str, Any]) -> bytes:
    """One line with its checksum in front."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    data = text.encode()
    return f"{zlib.crc32(data):08x} ".encode() + data + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The line's value, None when the line is not whole."""
    checksum, _, data = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != f"{zlib.crc32(data):08x}".encode():
        return None
    return json.loads(data)


def read_lines(path: Path) -> Iterator[dict[str, Any] | BadLine]:
    """Every line of a file in order; one that does not read as a BadLine. No file: nothing."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        value = decode(line)
        if value is None:
            yield BadLine(path=path, number=number, is_torn_end=not line.endswith(b"\n"))
        else:
            yield value


class LineFile:
    """A file of one writer. Opened at the first write, so that reading needs no rights."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def append(self, values: Iterable[dict[str, Any]]) -> None:
        """Write and fsync. Raises: Unavailable when the disk refuses; then nothing counts."""
        data = b"".join(encode(value) for value in values)
        try:
            fd = self._open()
            end = os.lseek(fd, 0, os.SEEK_END)
            try:
                _write_all(fd, data)
                os.fsync(fd)
            except OSError:
                self._take_back(fd, end)
                raise
        except OSError as error:
            raise Unavailable("journal", f"{self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Let the file go."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _take_back(self, fd: int, end: int) -> None:
        """Cut a line that was written in part. A full disk may refuse that too; then the file is
        let go, and who opens it next ends the torn line, so that no other is glued to it."""
        try:
            os.ftruncate(fd, end)
        except OSError:
            self.close()

    def _open(self) -> int:
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
            try:
                self._end_a_torn_line(fd)
                _sync_directory(self._path.parent)
            except OSError:
                os.close(fd)  # not ready: the next one begins with the torn line again
                raise
            self._fd = fd
        return self._fd

    def _end_a_torn_line(self, fd: int) -> None:
        size = os.lseek(fd, 0, os.SEEK_END)
        if size and os.pread(fd, 1, size - 1) != b"\n":
            _write_all(fd, b"\n")


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
