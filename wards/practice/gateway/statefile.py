"""The control plane's one file: replaced as a whole, on disk before anybody is told.

Invariant: whoever was answered finds the change there again, also after the process was killed.
"""

import json
import os
from pathlib import Path

from wards.practice.gateway.book import Book, book_from, book_json


def load(path: Path) -> Book:
    """The book as last kept; an empty one if there is no file.

    Raises: ValueError, KeyError or TypeError for a file that is none of ours.
    """
    if not path.exists():
        return Book()
    return book_from(json.loads(path.read_text(encoding="utf-8")))


def keep(path: Path, book: Book) -> None:
    """Replace the file; on disk when this returns."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(book_json(book), file, ensure_ascii=False, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
