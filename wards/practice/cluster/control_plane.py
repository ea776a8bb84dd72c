"""A real etcd and kube-apiserver on free ports of 127.0.0.1, ended by their own pids.

There are no controllers: no garbage collection, no pods, no endpoints. RBAC is on, so that
every process acts as its own ServiceAccount. Source: shared notes on a real API server.
"""

import json
import os
import secrets
import signal
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ruamel.yaml import YAML

from orchestrator.adapters.clock import wait_until
from orchestrator.errors import Unavailable
from wards.practice.cluster.parts import Parts
from wards.practice.processes import Child, Ports, Recipe, Starter

ETCD = "etcd"
API_SERVER = "kube-apiserver"
PROCESSES = (ETCD, API_SERVER)
NAMESPACE = "wardshift"
READY_LIMIT_S = 90.0
CALL_LIMIT_S = 30.0
LAUNCH = "wards.practice.cluster.launch"
ADMINISTRATORS = "system:masters"
OPERATIONS = "operations"
OPERATIONS_GROUP = "wardshift-operations"
SERVED_PATH = "/apis/gateway.networking.k8s.io/v1"
TOKEN_TTL_S = 30 * 24 * 3600


class ApiError(Exception):
    """What the API server refused, as it said it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status
        self.body = body


class ControlPlane:
    """One control plane. Made by `running`, or made, built and stopped. Thread-safe calls.

    Args:
        folder: of its data, keys and logs; what is found there is gone on with.
        sync: etcd writes through to the disk, as it must where time is measured.
        tie_to_parent: both programs end with this process, however it ends.
    """

    def __init__(
        self,
        folder: Path,
        parts: Parts,
        *,
        starter: Starter,
        client: httpx2.Client,
        sync: bool = False,
        tie_to_parent: bool = True,
    ) -> None:
        self.folder = folder
        self.token = secrets.token_urlsafe(24)
        self._operations_token = secrets.token_urlsafe(24)
        self._parts = parts
        self._sync = sync
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        self.children = {
            recipe.name: Child(
                recipe,
                starter=starter,
                client=client,
                home=folder,
                tie_to_parent=tie_to_parent,
            )
            for recipe in (self._etcd(), self._api_server())
        }

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"https://127.0.0.1:{self._server.ports['https']}"

    @property
    def ca_file(self) -> Path:
        """Whom to trust: the API server makes its own certificate."""
        return self.folder / "certificates" / "apiserver.crt"

    def build(self) -> None:
        """Start both, with the Gateway API's kinds, and wait until they are served.

        Raises: Unavailable with last words.
        """
        self._write_credentials()
        self.children[ETCD].start()
        self._server.start()
        self.apply_files(self._parts.gateway_types)
        with suppress(ApiError):  # it is there already
            self.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        if not wait_until(self._serves_routes, timeout_s=READY_LIMIT_S):
            raise Unavailable("kubernetes", f"HTTPRoutes are not served: {self.last_words()}")

    def start(self) -> None:
        """Start the API server again, on the same port and data. Raises: Unavailable."""
        self._server.start_again()

    def kill(self) -> None:
        """Kill -9 the API server; etcd lives on."""
        self._server.kill()

    def pause(self) -> None:
        """It hangs from when this returns: connections are taken, nothing is answered."""
        self._server.send(signal.SIGSTOP)
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """It answers again."""
        self._server.send(signal.SIGCONT)

    def stop(self) -> None:
        """End both, the API server first. May be repeated."""
        for name in reversed(PROCESSES):
            self.children[name].end()

    def last_words(self) -> str:
        """The end of the API server's log."""
        return (self.folder / "logs" / f"{API_SERVER}.log").read_text(encoding="utf-8")[-3000:]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        content_type: str = "application/json",
    ) -> Any:
        """One JSON exchange, as the administrator unless another token is given.

        Raises: ApiError; Unavailable when there is no answer.
        """
        headers = {"authorization": f"Bearer {token or self.token}", "content-type": content_type}
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._api.request(
                method, f"{self.url}{path}", content=content, headers=headers
            )
        except httpx2.HTTPError as error:
            raise Unavailable("kubernetes", f"{method} {path}: {type(error).__name__}") from error
        if not answer.is_success:
            raise ApiError(answer.status_code, _object(answer))
        return answer.json()

    def apply(self, document: dict[str, Any], *, dry_run: bool = False, token: str = "") -> Any:
        """Server-side apply of one document. Raises: ApiError."""
        path = f"{self._path_of(document)}?fieldManager=practice&force=true"
        return self.call(
            "PATCH",
            path + ("&dryRun=All" if dry_run else ""),
            document,
            token=token,
            content_type="application/apply-patch+yaml",
        )

    def apply_files(self, files: Sequence[Path]) -> None:
        """Apply every document of these files, the namespace first. Raises: ApiError."""
        documents = [one for file in files for one in read_documents(file)]
        for document in sorted(documents, key=lambda one: one["kind"] != "Namespace"):
            self.apply(document)

    def kubeconfig(self, name: str, token: str, *, url: str = "") -> Path:
        """A kubeconfig for a token, of this server or of a door to it; for its owner alone."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": url or self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "practice", "user": name, "namespace": NAMESPACE}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "practice",
            "clusters": [{"name": "practice", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "practice", "context": context}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def operations_kubeconfig(self) -> Path:
        """For people's own hands: the group that the manifests name."""
        return self.kubeconfig(OPERATIONS, self._operations_token)

    def service_account(
        self, name: str, *, namespace: str = NAMESPACE, ttl_s: int = TOKEN_TTL_S
    ) -> str:
        """A token of a ServiceAccount, made if it is not there. Raises: ApiError."""
        base = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        with suppress(ApiError):
            self.call("POST", base, {"metadata": {"name": name}})
        asked = {"spec": {"expirationSeconds": ttl_s}}
        return self.call("POST", f"{base}/{name}/token", asked)["status"]["token"]

    @property
    def _server(self) -> Child:
        return self.children[API_SERVER]

    @cached_property
    def _api(self) -> httpx2.Client:
        tls = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx2.Client(verify=tls, timeout=CALL_LIMIT_S, trust_env=False)

    def _path_of(self, document: dict[str, Any]) -> str:
        version, kind = document["apiVersion"], document["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        found = next(one for one in self._kinds(root) if one["kind"] == kind)
        scope = ""
        if found["namespaced"]:
            scope = f"/namespaces/{document['metadata'].get('namespace', NAMESPACE)}"
        return f"{root}{scope}/{found['name']}/{document['metadata']['name']}"

    def _kinds(self, root: str) -> list[dict[str, Any]]:
        return [one for one in self.call("GET", root)["resources"] if "/" not in one["name"]]

    def _serves_routes(self) -> bool:
        with suppress(ApiError):
            return any(one["name"] == "httproutes" for one in self._kinds(SERVED_PATH))
        return False

    def _write_credentials(self) -> None:
        tokens = self.folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(
            f'{self.token},admin,admin,"{ADMINISTRATORS}"\n'
            f'{self._operations_token},{OPERATIONS},{OPERATIONS},"{OPERATIONS_GROUP}"\n',
            encoding="utf-8",
        )
        key = self.folder / "service-accounts.pem"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(_private_key())

    def _etcd(self) -> Recipe:
        def arguments(ports: Ports) -> list[str]:
            client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("client", "peer"))
            return [
                str(self._parts.etcd),
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--log-level=warn",
                *(() if self._sync else ("--unsafe-no-fsync",)),
            ]

        def is_healthy(client: httpx2.Client, ports: Ports, _pid: int) -> bool:
            url = f"http://127.0.0.1:{ports['client']}/health"
            return client.get(url, timeout=2.0).json().get("health") == "true"

        return Recipe(
            name=ETCD,
            module=LAUNCH,
            port_names=("client", "peer"),
            arguments=arguments,
            health_port="client",
            is_healthy=is_healthy,
            healthy_within_s=READY_LIMIT_S,
        )

    def _api_server(self) -> Recipe:
        key = self.folder / "service-accounts.pem"

        def arguments(ports: Ports) -> list[str]:
            return [
                str(self._parts.kube_apiserver),
                f"--etcd-servers={self.children[ETCD].url('client')}",
                f"--secure-port={ports['https']}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--authorization-mode=RBAC",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--watch-cache=true",
            ]

        def is_healthy(_client: httpx2.Client, ports: Ports, _pid: int) -> bool:
            if not self.ca_file.exists():
                return False
            url = f"https://127.0.0.1:{ports['https']}/readyz"
            try:
                return self._api.get(url, timeout=2.0).is_success
            except ssl.SSLError:  # its certificate is only half written
                return False

        return Recipe(
            name=API_SERVER,
            module=LAUNCH,
            port_names=("https",),
            arguments=arguments,
            health_port="https",
            is_healthy=is_healthy,
            healthy_within_s=READY_LIMIT_S,
        )


@contextmanager
def running(folder: Path, parts: Parts, *, sync: bool = False) -> Iterator[ControlPlane]:
    """A control plane, ready, with the Gateway API's kinds. Raises: Unavailable."""
    starter = Starter()
    with httpx2.Client(timeout=5.0, trust_env=False) as client:
        plane = ControlPlane(folder, parts, starter=starter, client=client, sync=sync)
        try:
            plane.build()
            yield plane
        finally:
            plane.stop()
            starter.close()


def read_documents(file: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    text = file.read_text(encoding="utf-8")
    return [dict(one) for one in YAML(typ="safe").load_all(text) if one]


def _private_key() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _object(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {"message": answer.text[:500]}
    return found if isinstance(found, dict) else {"message": str(found)}
