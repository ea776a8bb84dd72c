"""Who may stop the line over HTTP: a short code a role, and a way to tell two people apart.

A site keeps only scrypt hashes of the codes, and a key under which a staff code becomes a
digest: two people are told apart, nobody is named, and neither file gives a code back. Where
either file fails, the answer is "not proven" or "nobody": never an error. Source: design section 8.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from unicodedata import normalize

import structlog

from orchestrator.errors import Unavailable

log = structlog.get_logger()
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # what is read aloud and typed without a mistake
CODE_LENGTH = 8  # with 31 letters 8.5e11 codes
COST = {"n": 2**14, "r": 8, "p": 1}  # some 40 ms: who guesses pays, who presses does not notice
KEY_BYTES = 32
DIGEST_LENGTH = 16
# Letters only: nothing that could be taken for a personal identity number and removed.
AS_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class StopCodes:
    """The codes of a site, read anew each time: a new one counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def roles(self) -> tuple[str, ...]:
        """The roles that have a code; none where the file is missing or does not read."""
        return tuple(self._kept())

    def is_right(self, role: str, code: str) -> bool:
        """Whether it is that role's code; takes as long for a role that has none."""
        salt, known = _salted(self._kept().get(role))
        return hmac.compare_digest(_hash(code, salt).encode(), known) and bool(known)

    def make(self, role: str) -> str:
        """A new code for a role, in place of any before it; shown once, kept as a hash.

        Raises: Unavailable.
        """
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        salt = secrets.token_bytes(16)
        kept = {**self._kept(), role: {"salt": salt.hex(), "hash": _hash(code, salt)}}
        try:
            _replace(self._path, json.dumps(kept, indent=1).encode())
        except OSError as error:
            raise Unavailable("stop codes", f"{self._path}: {error.strerror}") from error
        return f"{code[:4]}-{code[4:]}"

    def _kept(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.error("stop.codes_unreadable", problem=str(error))
            return {}
        return kept if isinstance(kept, dict) else {}


class StaffDigest:
    """Turns a staff code into something that tells people apart and names nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, staff_code: str) -> str | None:
        """The same for the same code, however it is spaced; None without a code or a key."""
        said = _plain(staff_code)
        if not said:
            return None
        try:
            key = self._key()
        except OSError as error:
            log.error("stop.keyless", problem=str(error))
            return None
        made = hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
        return made[:DIGEST_LENGTH].translate(AS_LETTERS)

    def _key(self) -> bytes:
        """The site's key, made at first use. Raises: OSError."""
        if not self._path.exists():
            _create(self._path, secrets.token_bytes(KEY_BYTES))
        key = self._path.read_bytes()
        if len(key) < KEY_BYTES:
            raise OSError(f"{self._path} holds no key of {KEY_BYTES} bytes or more")
        return key


def _salted(kept: object) -> tuple[bytes, bytes]:
    """The salt and the hash of a role's code; those of nobody where they make no sense."""
    try:
        found = cast("Mapping[str, str]", kept)
        return bytes.fromhex(found["salt"]), found["hash"].encode()
    except (KeyError, TypeError, ValueError, AttributeError):
        return b"\0", b""


def _plain(said: str) -> str:
    """However it was typed: letters of another width are the same letters."""
    return "".join(one for one in normalize("NFKC", said).lower() if one.isalnum())


def _hash(code: str, salt: bytes) -> str:
    return hashlib.scrypt(_plain(code).encode(errors="replace"), salt=salt, **COST).hex()


def _written(path: Path, data: bytes) -> Path:
    """A file beside it that only we may read, on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return beside


def _replace(path: Path, data: bytes) -> None:
    _written(path, data).replace(path)


def _create(path: Path, data: bytes) -> None:
    """Whole or not at all; another process's key that came first stays."""
    beside = _written(path, data)
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    finally:
        beside.unlink()
