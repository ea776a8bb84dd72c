"""Who may send alerts: hashes of tokens in a file, one a line, read anew while it runs.

A line is the SHA-256 of a token in hex, and after it whatever people want to remember. Tokens
are rotated by adding a line, changing the sender, and taking the old line away. The file is
read beside the work, so that a disk that hangs keeps no alert waiting.
"""

import hashlib
import hmac
import os
import re
import secrets
import threading
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()
READ_EVERY_S: Final = 1.0
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class TokenFile:
    """The tokens that are taken now. Without a file, or without a line in it: none.

    A token is taken from the read that finds it, and no more once two reads in a row miss it: who
    edits a file may empty it for a moment.
    """

    def __init__(self, path: Path, *, every_s: float = READ_EVERY_S) -> None:
        self._path = path
        self._every_s = every_s
        self._hashes: tuple[str, ...] = ()
        self._found: tuple[str, ...] = ()
        self._problem = ""
        self._stop = threading.Event()
        self.read()

    def start(self) -> None:
        """Go on reading it in the background."""
        threading.Thread(target=self._run, name="tokens", daemon=True).start()

    def stop(self) -> None:
        """End reading."""
        self._stop.set()

    @property
    def is_empty(self) -> bool:
        """Nobody may send anything."""
        return not self._hashes

    def takes(self, token: str) -> bool:
        """Whether it is one of them; takes as long for any wrong one as for a right one."""
        found = _hash(token)
        matches = [hmac.compare_digest(found, one) for one in self._hashes]
        return any(matches)

    def read(self) -> None:
        """Read the file now. One that is there and cannot be read changes nothing."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self._take(())
            self._say("")
            return
        except (OSError, UnicodeDecodeError) as error:
            self._say(type(error).__name__)
            return
        lines = [line.split() for line in text.splitlines()]
        words = [line[0].lower() for line in lines if line and not line[0].startswith("#")]
        wrong = sum(1 for word in words if not _HASH.fullmatch(word))
        self._take(tuple(word for word in words if _HASH.fullmatch(word)))
        self._say(f"{wrong} line(s) hold no SHA-256 in hex" if wrong else "")

    def _take(self, found: tuple[str, ...]) -> None:
        before, self._found = self._found, found
        self._hashes = (*found, *(one for one in before if one not in found))

    def _say(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.error("tokens.not_understood", file=str(self._path), problem=problem)
        self._problem = problem

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.read()


def add_token(path: Path, name: str) -> str:
    """Make a token and keep its hash; the token itself, which is kept nowhere. Raises: OSError."""
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Appended to, never rewritten: nobody reads half a file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # What people wrote may lack its last line's end.
        start = "\n" if os.fstat(descriptor).st_size else ""
        file.write(f"{start}{_hash(token)} {' '.join(name.split())}\n")
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
