"""A real etcd and kube-apiserver on free ports of 127.0.0.1, ended by their own pids.

There are no controllers: no garbage collection, no pods, no endpoints. RBAC is on, so that
every component under test acts as its own ServiceAccount.
"""

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ruamel.yaml import YAML

from orchestrator.adapters.clock import wait_until
from tests.real.parts import ETCD, KUBE_APISERVER, binary, gateway_types

READY_LIMIT_S = 90.0
STOP_LIMIT_S = 15.0
ADMIN = "system:masters"
SERVED_PATH = "/apis/gateway.networking.k8s.io/v1"


class ApiError(Exception):
    """What the API server refused, as it said it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status
        self.body = body


@dataclass
class KubeServer:
    """One running control plane. `token`: the administrator's."""

    url: str
    ca_file: Path
    token: str
    folder: Path
    etcd: "subprocess.Popen[bytes]"
    _command: tuple[str, ...]
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the API server (again) on the same port and data, and wait until it is ready."""
        with (self.folder / "kube-apiserver.log").open("ab") as output:
            self.process = subprocess.Popen(self._command, stdout=output, stderr=output)
        if not wait_until(self._is_ready, timeout_s=READY_LIMIT_S, every_s=0.1):
            raise RuntimeError(f"the API server is not ready: {self.last_words()}")

    def kill(self) -> None:
        """Kill -9 the API server; etcd lives on."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """It hangs from when this returns: connections are taken, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """It answers again."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the API server."""
        _end(self.process)

    def last_words(self) -> str:
        """The end of its log."""
        return (self.folder / "kube-apiserver.log").read_text()[-3000:]

    def call(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str):
        """One JSON exchange without the code under test. Raises: ApiError."""
        kind = headers.pop("content_type", "application/json")
        request = Request(
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": kind},
        )
        try:
            with urlopen(request, timeout=30, context=self._tls()) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise ApiError(error.code, _json(error.read())) from error

    def apply(self, document: dict[str, Any], *, dry_run: bool = False, token: str = "") -> Any:
        """Server-side apply of one document. Raises: ApiError."""
        path = f"{self._path_of(document)}?fieldManager=test&force=true"
        return self.call(
            "PATCH",
            path + ("&dryRun=All" if dry_run else ""),
            document,
            token=token,
            content_type="application/apply-patch+yaml",
        )

    def apply_files(self, files: Sequence[Path]) -> None:
        """Apply every document of these files, definitions first."""
        documents = [one for file in files for one in read_documents(file)]
        for document in sorted(documents, key=lambda one: one["kind"] != "Namespace"):
            self.apply(document)

    def kubeconfig(self, name: str, token: str, *, url: str = "") -> Path:
        """A kubeconfig for a token, of this server or of a door to it."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": url or self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "test", "user": name, "namespace": "wardshift"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.write_text(json.dumps(content))
        return path

    def service_account(self, name: str, *, namespace: str = "wardshift", ttl_s: int = 3600) -> str:
        """A token of a ServiceAccount, made if it is not there."""
        base = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        with suppress(ApiError):
            self.call("POST", base, {"metadata": {"name": name}})
        asked = {"spec": {"expirationSeconds": ttl_s}}
        return self.call("POST", f"{base}/{name}/token", asked)["status"]["token"]

    def _path_of(self, document: dict[str, Any]) -> str:
        version, kind = document["apiVersion"], document["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        found = next(one for one in self._kinds(root) if one["kind"] == kind)
        scope = ""
        if found["namespaced"]:
            scope = f"/namespaces/{document['metadata'].get('namespace', 'wardshift')}"
        return f"{root}{scope}/{found['name']}/{document['metadata']['name']}"

    def _kinds(self, root: str) -> list[dict[str, Any]]:
        return [one for one in self.call("GET", root)["resources"] if "/" not in one["name"]]

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the API server ended: {self.last_words()}")
        try:
            request = Request(f"{self.url}/readyz")
            with urlopen(request, timeout=2, context=self._tls()) as answer:
                return answer.status == 200
        except (OSError, ssl.SSLError):
            return False

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


def read_documents(file: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [dict(one) for one in YAML(typ="safe").load_all(file.read_text()) if one]


@contextmanager
def kube_running(folder: Path, *, sync: bool = False) -> Iterator[KubeServer]:
    """etcd and an API server with the Gateway API's types, ready.

    Args:
        sync: etcd writes through to the disk, as it must where time is measured.
    Raises: PartMissing; RuntimeError with last words.
    """
    with ExitStack() as stack:
        etcd_url = stack.enter_context(_etcd_running(folder, sync=sync))
        server = _server(folder, *etcd_url)
        stack.callback(server.stop)
        _install_types(server)
        yield server


def _install_types(server: KubeServer) -> None:
    server.apply_files(gateway_types())
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "wardshift"}})

    def is_served() -> bool:
        with suppress(ApiError):
            return any(one["name"] == "httproutes" for one in server._kinds(SERVED_PATH))
        return False

    if not wait_until(is_served, timeout_s=READY_LIMIT_S):
        raise RuntimeError(f"HTTPRoutes are not served: {server.last_words()}")


@contextmanager
def _etcd_running(folder: Path, *, sync: bool) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    client, peer = free_ports(2)
    urls = {"client": f"http://127.0.0.1:{client}", "peer": f"http://127.0.0.1:{peer}"}
    command = (
        str(binary(ETCD)),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={urls['client']}",
        f"--advertise-client-urls={urls['client']}",
        f"--listen-peer-urls={urls['peer']}",
        f"--initial-advertise-peer-urls={urls['peer']}",
        f"--initial-cluster=default={urls['peer']}",
        "--log-level=warn",
        *(() if sync else ("--unsafe-no-fsync",)),
    )
    with (folder / "etcd.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield urls["client"], process
    finally:
        _end(process)


def _server(folder: Path, etcd_url: str, etcd: "subprocess.Popen[bytes]") -> KubeServer:
    (port,) = free_ports(1)
    token = secrets.token_urlsafe(24)
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{token},admin,admin,"{ADMIN}"\n')
    key = folder / "service-accounts.pem"
    key.write_bytes(_private_key())
    certificates = folder / "certificates"
    command = (
        str(binary(KUBE_APISERVER)),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={certificates}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--watch-cache=true",
    )
    return KubeServer(
        url=f"https://127.0.0.1:{port}",
        ca_file=certificates / "apiserver.crt",
        token=token,
        folder=folder,
        etcd=etcd,
        _command=command,
    )


def _private_key() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")[:500]}
    return found if isinstance(found, dict) else {"message": str(found)}


def free_ports(wanted: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(wanted)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
