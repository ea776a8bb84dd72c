"""Where the control plane's programs are on this machine. Nothing is fetched or built here."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Unavailable

ASSETS = "KUBEBUILDER_ASSETS"
WHAT_TO_DO = f"run `make parts` once, or name a folder that has it in {ASSETS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Two programs, and the definitions of the Gateway API's kinds."""

    etcd: Path
    kube_apiserver: Path
    gateway_types: tuple[Path, ...]


def found_parts() -> Parts:
    """Named in KUBEBUILDER_ASSETS, or as `make parts` left them. Raises: Unavailable."""
    types = sorted(_built("gateway-api").glob("gateway.networking.k8s.io_*.yaml"))
    return Parts(
        etcd=_program("etcd"),
        kube_apiserver=_program("kube-apiserver"),
        gateway_types=tuple(types),
    )


def cache_root() -> Path:
    """Where what was built is kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "wardshift"


def _program(name: str) -> Path:
    assets = os.environ.get(ASSETS, "")
    named = shutil.which(name, path=assets) if assets else None
    return Path(named) if named else _built(name)


def _built(name: str) -> Path:
    """The newest of its name. Raises: Unavailable."""
    found = list(cache_root().glob(f"kubernetes-*/{name}"))
    if not found:
        raise Unavailable("kubernetes", f"{name} is not on this machine: {WHAT_TO_DO}")
    return max(found, key=lambda path: path.stat().st_mtime)
