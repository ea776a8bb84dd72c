"""What `kubectl apply -k` would send, rendered by the real kustomize."""

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.real.parts import KUSTOMIZE, binary

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("base", "overlays/practice", "overlays/region")
Document = dict[str, Any]


@cache
def rendered(overlay: str) -> tuple[Document, ...]:
    """Every document of an overlay."""
    command = (str(binary(KUSTOMIZE)), "build", str(DEPLOY / "kubernetes" / overlay))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(YAML(typ="safe").load_all(done.stdout))


def of_kind(documents: Iterable[Document], kind: str) -> dict[str, Document]:
    """The documents of a kind by their names."""
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def pod_of(deployment: Document) -> Document:
    """The pod that a Deployment makes, on its own."""
    template = deployment["spec"]["template"]
    name = deployment["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": name, "namespace": "wardshift"},
        "spec": template["spec"],
    }
