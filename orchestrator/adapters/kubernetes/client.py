"""The cluster's API through the official client: credentials that expire, calls that end.

Every call ends after its time, whatever the name server, the handshake or a dripping answer
do: it runs on a thread of its own and is left behind; its socket gives that thread back. The
library's own retries are off, so that a write is sent at most once; a write whose answer is lost
is Indeterminate.
A 401 means that nothing was done: the credentials are read again, and the call is made once
more. Source: design sections 7 and 8.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)

from orchestrator.errors import ConfigError, Conflict, Indeterminate, Refused, Unavailable

log = structlog.get_logger()
_T = TypeVar("_T")
AT_ONCE = 128
FIELD_MANAGER = (
    "wardshift"  # whose fields of an object are whose: other tools are told to leave ours
)
GRACE_S = 0.25  # the socket's own timeout comes first, and says more
# The server ends a watch after so long; that it does is its sign of life. Well within a lease: what
# a watch that stalled does not show, a guard does not return.
WATCH_S = 2
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY = 401, 403, 404, 409, 429
_UNREADY = 503
DENIED = re.compile(r"denied request: (?P<code>[a-z_]+): (?P<message>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object; `namespace` is empty for what belongs to the whole cluster."""

    group: str
    version: str
    plural: str
    namespace: str


class Cluster:
    """One set of credentials and connections. Thread-safe.

    Args:
        kubeconfig: a file; None inside the cluster, where the ServiceAccount's token is
            mounted and changes.
    Raises: ConfigError when there are no credentials.
    """

    def __init__(self, kubeconfig: Path | None, *, timeout_s: float) -> None:
        self._kubeconfig = kubeconfig
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cluster")
        self._api = self._connected()

    def close(self) -> None:
        """End the threads and give the connections back."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._api.api_client.close()

    def read(self, port: str, kind: Kind, name: str) -> dict[str, Any]:
        """One object. Raises: Refused("not_found"), Unavailable."""
        waits = self._waits()
        return self._reading(
            port, f"{kind.plural} {name}", lambda api: _get(api, kind, name, waits)
        )

    def list(self, port: str, kind: Kind, labels: str) -> dict[str, Any]:
        """All objects with these labels, and the version of the list. Raises: Unavailable."""
        waits = self._waits()
        return self._reading(port, kind.plural, lambda api: _list(api, kind, labels, waits))

    def create(self, port: str, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """Make an object. Raises: as `replace`; Conflict when it is there already."""
        return self._writing(
            port,
            f"{kind.plural} {body['metadata']['name']}",
            expected="none",
            call=lambda api: api.create_namespaced_custom_object(
                **_of(kind),
                body=body,
                field_manager=FIELD_MANAGER,
                _request_timeout=self._waits(),
            ),
        )

    def replace(
        self, port: str, kind: Kind, body: dict[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Replace an object, compare-and-set on its resourceVersion.

        Raises: Conflict, Refused (by a policy: its own code), Unavailable when nothing was
            sent or taken, Indeterminate.
        """
        metadata = body["metadata"]
        return self._writing(
            port,
            f"{kind.plural} {metadata['name']}",
            expected=str(metadata.get("resourceVersion", "")),
            call=lambda api: api.replace_namespaced_custom_object(
                **_of(kind),
                name=metadata["name"],
                body=body,
                field_manager=FIELD_MANAGER,
                dry_run="All" if dry_run else None,
                _request_timeout=self._waits(),
            ),
        )

    def replace_status(self, port: str, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object's status alone, compare-and-set. Raises: as `replace`."""
        metadata = body["metadata"]
        return self._writing(
            port,
            f"{kind.plural} {metadata['name']}/status",
            expected=str(metadata.get("resourceVersion", "")),
            call=lambda api: api.replace_namespaced_custom_object_status(
                **_of(kind),
                name=metadata["name"],
                body=body,
                _request_timeout=self._waits(),
            ),
        )

    def watch(
        self, kind: Kind, labels: str, resource_version: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(type, object) as they change, from a version on; ends by itself after WATCH_S.

        Raises: Unavailable, also when the version is too old to go on from.
        """
        try:
            stream = watch.Watch().stream(
                self._api.list_namespaced_custom_object,
                **_of(kind),
                label_selector=labels,
                resource_version=resource_version,
                allow_watch_bookmarks=True,
                timeout_seconds=WATCH_S,
                _request_timeout=(self._timeout_s, WATCH_S + self._timeout_s),
            )
            for event in stream:
                if isinstance(event, dict):
                    yield str(event["type"]), event["raw_object"]
        except (ApiException, HTTPError, OSError, ValueError) as error:
            raise Unavailable(kind.plural, f"watch ended: {_first_line(error)}") from error

    def _reading(
        self, port: str, what: str, call: Callable[[client.CustomObjectsApi], Any]
    ) -> dict[str, Any]:
        try:
            return _object(self._bounded(call))
        except ApiException as error:
            if error.status == _NOT_FOUND:
                raise Refused("not_found", f"{what} is not there") from error
            raise Unavailable(port, _said(error)[1]) from error
        except (HTTPError, OSError, TooLate, ValueError, TypeError) as error:
            raise Unavailable(port, _first_line(error)) from error

    def _writing(
        self, port: str, what: str, *, expected: str, call: Callable[[client.CustomObjectsApi], Any]
    ) -> dict[str, Any]:
        try:
            return _object(self._bounded(call))
        except ApiException as error:
            raise _refusal(port, what, expected, error) from error
        except HTTPError as error:
            if _is_unsent(error):
                raise Unavailable(port, _first_line(error)) from error
            raise Indeterminate(port, f"write of {what}") from error
        except (OSError, TooLate, ValueError, TypeError) as error:
            raise Indeterminate(port, f"write of {what}") from error

    def _bounded(self, call: Callable[[client.CustomObjectsApi], _T]) -> _T:
        try:
            return self._within(call)
        except ApiException as error:
            if error.status != _UNAUTHORIZED:
                raise
        log.info("credentials.read_again")
        self._reconnect()
        return self._within(call)

    def _within(self, call: Callable[[client.CustomObjectsApi], _T]) -> _T:
        running: Future[_T] = self._pool.submit(call, self._api)
        try:
            return running.result(timeout=self._timeout_s + GRACE_S)
        except TooLate:
            running.cancel()
            raise

    def _waits(self) -> tuple[float, float]:
        return (self._timeout_s, self._timeout_s)

    def _reconnect(self) -> None:
        with self._lock:
            self._api = self._connected()

    def _connected(self) -> client.CustomObjectsApi:
        settings = client.Configuration()
        try:
            if self._kubeconfig is None:
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(
                    config_file=str(self._kubeconfig), client_configuration=settings
                )
        except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            where = self._kubeconfig or "the mounted ServiceAccount"
            raise ConfigError((f"{where}: no credentials for the cluster ({error})",)) from error
        settings.retries = False
        settings.connection_pool_maxsize = AT_ONCE
        return client.CustomObjectsApi(client.ApiClient(settings))


def _of(kind: Kind) -> dict[str, Any]:
    return {
        "group": kind.group,
        "version": kind.version,
        "namespace": kind.namespace,
        "plural": kind.plural,
    }


def _get(api: client.CustomObjectsApi, kind: Kind, name: str, waits: tuple[float, float]) -> Any:
    if kind.namespace:
        return api.get_namespaced_custom_object(**_of(kind), name=name, _request_timeout=waits)
    return api.get_cluster_custom_object(
        kind.group, kind.version, kind.plural, name, _request_timeout=waits
    )


def _list(api: client.CustomObjectsApi, kind: Kind, labels: str, waits: tuple[float, float]) -> Any:
    return api.list_namespaced_custom_object(
        **_of(kind), label_selector=labels, _request_timeout=waits
    )


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise TypeError("the answer is no object")
    return answer


def _is_unsent(error: HTTPError) -> bool:
    return isinstance(error, NewConnectionError | ConnectTimeoutError | NameResolutionError)


def _refusal(port: str, what: str, expected: str, error: ApiException) -> Exception:
    code, message = _said(error)
    if error.status == _CONFLICT:
        return Conflict(what, expected=expected, found="another version")
    if error.status in (_TOO_MANY, _UNREADY, _UNAUTHORIZED):
        return Unavailable(port, message)
    if error.status in range(400, 500):
        return Refused(code, f"{what}: {message}")
    return Indeterminate(port, f"write of {what} (answered {error.status})")


def _said(error: ApiException) -> tuple[str, str]:
    """A stable code and a sentence: a policy's own, or those of the API server."""
    try:
        body = json.loads(error.body or "{}")
        message, reason = str(body.get("message", "")), str(body.get("reason", ""))
    except (ValueError, AttributeError, TypeError):
        message, reason = "", ""
    denied = DENIED.search(message)
    if denied is not None:
        return denied["code"], denied["message"]
    named = {_FORBIDDEN: "forbidden", _NOT_FOUND: "not_found"}
    code = named.get(error.status or 0) or reason.lower() or f"http_{error.status}"
    return code, message or f"answered {error.status}"


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "no answer in time"
