"""Finds the real parts that the tests run against, or builds them. Never skips.

Order: the folder in KUBEBUILDER_ASSETS; PATH, for what people install by themselves; the
cache; a build into the cache. What is built stands in each module's `go.mod` and `go.sum`;
their content is the cache's key. Two builders wait for each other on a lock that the system
drops when its holder ends.

    python -m tests.real.parts build     # find or build all, print where they are
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.real.golang import PartMissing, cache_root, go_for, run, say, version_of

HERE = Path(__file__).parent
BUILD = ("build", "-trimpath", "-mod=readonly")
BUILD_LIMIT_S = 2400
KUBERNETES = HERE / "kubernetes"
GATEWAY_API = "sigs.k8s.io/gateway-api"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One binary. `pinned`: the module whose version speaks for it; `oldest`: the least major
    version of one that the machine has itself, None where that is never taken from PATH."""

    name: str
    module: Path
    package: str
    pinned: str
    tags: str = ""
    oldest: int | None = None

    def flags(self) -> tuple[str, ...]:
        """How it is built."""
        stamp = f"-X k8s.io/component-base/version.gitVersion={self.version()}"
        link = f"-s -w {stamp}" if self.module == KUBERNETES else "-s -w"
        return (*BUILD, "-tags", self.tags, "-ldflags", link)

    def version(self) -> str:
        """As the module pins it."""
        text = (self.module / "go.mod").read_text()
        found = re.search(rf"^\s*(?:require )?{re.escape(self.pinned)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise PartMissing(f"{self.module}/go.mod does not name {self.pinned}")
        return found.group(1)


PROMETHEUS = Part(
    name="prometheus",
    module=HERE / "prometheus",
    package="github.com/prometheus/prometheus/cmd/prometheus",
    pinned="github.com/prometheus/prometheus",
    tags="remove_all_sd",
    oldest=3,
)
ALERTMANAGER = Part(
    name="alertmanager",
    module=HERE / "alertmanager",
    package="github.com/prometheus/alertmanager/cmd/alertmanager",
    pinned="github.com/prometheus/alertmanager",
    oldest=0,
)
KUBE_APISERVER = Part(
    name="kube-apiserver",
    module=KUBERNETES,
    package="./kube-apiserver",
    pinned="k8s.io/kubernetes",
)
PROMTOOL = Part(
    name="promtool",
    module=PROMETHEUS.module,
    package="github.com/prometheus/prometheus/cmd/promtool",
    pinned=PROMETHEUS.pinned,
    tags=PROMETHEUS.tags,
    oldest=3,
)
KUSTOMIZE = Part(
    name="kustomize",
    module=HERE / "kustomize",
    package="sigs.k8s.io/kustomize/kustomize/v5",
    pinned="sigs.k8s.io/kustomize/kustomize/v5",
)
ETCD = Part(name="etcd", module=KUBERNETES, package="./etcd", pinned="go.etcd.io/etcd/server/v3")
# In the order in which the tests come to need them.
PARTS = (PROMETHEUS, ETCD, KUBE_APISERVER, ALERTMANAGER, KUSTOMIZE, PROMTOOL)


def binary(part: Part) -> Path:
    """A real part; waits for a build in progress, or builds it now. Raises: PartMissing."""
    found = _installed(part)
    if found is not None:
        return found
    folder = _cache_of(part.module)
    target = folder / part.name
    with _only_builder(folder, part.name):
        if not target.exists():
            _build(part, target)
    return target


def gateway_types() -> tuple[Path, ...]:
    """The Gateway API's resource definitions, one file each. Raises: PartMissing."""
    folder = _cache_of(KUBERNETES)
    kept = folder / "gateway-api"
    with _only_builder(folder, "gateway-api"):
        if not kept.exists():
            _copy_types(kept)
    return tuple(sorted(kept.glob("gateway.networking.k8s.io_*.yaml")))


def _copy_types(kept: Path) -> None:
    go = go_for(KUBERNETES)
    run((go, "mod", "download", GATEWAY_API), limit_s=BUILD_LIMIT_S, cwd=KUBERNETES)
    where = run((go, "list", "-m", "-f", "{{.Dir}}", GATEWAY_API), limit_s=60, cwd=KUBERNETES)
    with TemporaryDirectory(dir=kept.parent) as scratch:
        copied = Path(scratch) / "types"
        shutil.copytree(Path(where.strip()) / "config" / "crd" / "standard", copied)
        copied.replace(kept)


def _installed(part: Part) -> Path | None:
    """One that was named, or that the machine has, recent enough to speak for the pinned one."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    named = shutil.which(part.name, path=assets) if assets else None
    found = named or (None if part.oldest is None else shutil.which(part.name))
    if found is None or part.oldest is None:
        return None if found is None else Path(found)
    major = version_of(found, "--version", r"version (\d+)\.")
    if major is not None and int(major) >= part.oldest:
        return Path(found)
    say(f"{found} is older than {part.name} {part.oldest}, so it is not used")
    return None


def _cache_of(module: Path) -> Path:
    content = b"".join((module / name).read_bytes() for name in ("go.mod", "go.sum"))
    names = " ".join(part.package for part in PARTS if part.module == module)
    key = hashlib.sha256(content + " ".join((*BUILD, names)).encode()).hexdigest()[:16]
    folder = cache_root() / f"{module.name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _only_builder(folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds {name} just now; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(part: Part, target: Path) -> None:
    go = go_for(part.module)
    say(
        f"building {part.name} {part.version()} with {go} into {target}: once, one to five "
        "minutes on two cores; later runs take it from there"
    )
    with TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / part.name
        command = (go, *part.flags(), "-o", str(made), part.package)
        run(command, limit_s=BUILD_LIMIT_S, cwd=part.module)
        made.replace(target)
    say(f"built {target}")


def main(arguments: list[str]) -> int:
    """`build`: find or build every part and print where it is."""
    if arguments != ["build"]:
        print("usage: python -m tests.real.parts build", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a build is ended with us
    try:
        for part in PARTS:
            print(binary(part))
        print(gateway_types()[0].parent)
    except PartMissing as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
