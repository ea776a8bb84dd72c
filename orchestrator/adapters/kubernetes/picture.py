"""A picture of all objects of a kind, kept by a watch as long as the watch shows life.

A list, then changes from the list's version on; whatever goes wrong begins again with a list.
The server ends each watch after a few seconds, so that a connection that is only half there is
found out: then the picture is old, and `now` says so by saying nothing.
"""

import threading

import structlog

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.kubernetes.client import WATCH_S, Cluster, Kind
from orchestrator.adapters.kubernetes.documents import Document
from orchestrator.errors import WardshiftError

log = structlog.get_logger()
PORT = "routes"
OLD_S = WATCH_S + 1.5
PAUSE_S = 0.5
_clock = SystemClock()


class Picture:
    """Kept by one thread, read by any."""

    def __init__(self, cluster: Cluster, kind: Kind, labels: str) -> None:
        self._cluster = cluster
        self._kind = kind
        self._labels = labels
        self._lock = threading.Lock()
        self._items: dict[str, Document] = {}
        self._heard_at_s: float | None = None
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="picture", daemon=True)

    def start(self) -> None:
        """Begin; the first picture comes a moment later."""
        self._thread.start()

    def stop(self) -> None:
        """End with the watch that is open."""
        self._stop.set()

    def now(self) -> tuple[Document, ...] | None:
        """The objects; None while nobody can say that this is how they are."""
        with self._lock:
            if self._heard_at_s is None or _clock.monotonic() - self._heard_at_s > OLD_S:
                return None
            return tuple(self._items.values())

    def wait(self, timeout_s: float) -> bool:
        """Whether something changed since the last wait, or changes within that time.

        For one reader: whoever waits takes the news from the others.
        """
        changed = self._changed.wait(timeout_s)
        self._changed.clear()
        return changed

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow(self._begin())
            except WardshiftError as error:
                self._lose(str(error))
            except Exception:
                # The outermost loop of this thread: without a picture routes are read directly.
                log.exception("picture.stumbled")
                self._lose("")
            self._stop.wait(PAUSE_S)

    def _begin(self) -> str:
        found = self._cluster.list(PORT, self._kind, self._labels)
        with self._lock:
            self._items = {item["metadata"]["name"]: item for item in found.get("items") or ()}
            self._heard_at_s = _clock.monotonic()
        self._changed.set()
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        while not self._stop.is_set():
            for kind, item in self._cluster.watch(self._kind, self._labels, version):
                version = str(item["metadata"]["resourceVersion"])
                self._take(kind, item)
            with self._lock:
                self._heard_at_s = _clock.monotonic()

    def _take(self, kind: str, item: Document) -> None:
        with self._lock:
            self._heard_at_s = _clock.monotonic()
            if kind == "DELETED":
                self._items.pop(item["metadata"]["name"], None)
            elif kind != "BOOKMARK":
                self._items[item["metadata"]["name"]] = item
        self._changed.set()

    def _lose(self, problem: str) -> None:
        log.warning("picture.lost", problem=problem)
        with self._lock:
            self._heard_at_s = None
