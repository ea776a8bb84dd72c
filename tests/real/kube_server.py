"""The practice hospital's control plane, from the real parts that tests find or build."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.real.parts import ETCD, KUBE_APISERVER, binary, gateway_types
from wards.practice.cluster.control_plane import (
    ApiError,
    ControlPlane,
    read_documents,
    running,
)
from wards.practice.cluster.parts import Parts

__all__ = ["ApiError", "KubeServer", "free_ports", "kube_parts", "kube_running", "read_documents"]
KubeServer = ControlPlane


def kube_parts() -> Parts:
    """Found, waited for, or built. Raises: PartMissing."""
    return Parts(
        etcd=binary(ETCD), kube_apiserver=binary(KUBE_APISERVER), gateway_types=gateway_types()
    )


@contextmanager
def kube_running(folder: Path, *, sync: bool = False) -> Iterator[KubeServer]:
    """etcd and an API server with the Gateway API's types, ready.

    Args:
        sync: etcd writes through to the disk, as it must where time is measured.
    Raises: PartMissing; Unavailable with last words.
    """
    with running(folder, kube_parts(), sync=sync) as plane:
        yield plane


def free_ports(wanted: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
