"""Where the control plane's programs come from, and how they are started."""

from pathlib import Path

import pytest

from orchestrator.errors import Unavailable
from wards.practice.cluster.launch import split
from wards.practice.cluster.parts import found_parts


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as `make parts` leaves it, and nothing named."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    folder = tmp_path / "wardshift" / "kubernetes-1"
    (folder / "gateway-api").mkdir(parents=True)
    (folder / "gateway-api" / "gateway.networking.k8s.io_httproutes.yaml").touch()
    for name in ("etcd", "kube-apiserver"):
        (folder / name).touch(mode=0o755)
    return folder


def test_what_was_built_is_found(cache: Path) -> None:
    parts = found_parts()
    assert (parts.etcd, parts.kube_apiserver) == (cache / "etcd", cache / "kube-apiserver")
    assert [one.name for one in parts.gateway_types] == [
        "gateway.networking.k8s.io_httproutes.yaml"
    ]


def test_what_is_named_comes_first(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "etcd").touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    assert found_parts().etcd == assets / "etcd"
    assert found_parts().kube_apiserver == cache / "kube-apiserver"


@pytest.mark.parametrize("missing", ["etcd", "kube-apiserver", "gateway-api"])
def test_what_is_missing_is_a_sentence_that_says_what_to_run(cache: Path, missing: str) -> None:
    (cache / missing).rename(cache / "elsewhere")
    with pytest.raises(Unavailable, match=rf"{missing} .*make parts"):
        found_parts()


def test_only_the_parents_pid_is_taken_from_a_programs_options() -> None:
    assert split(["/bin/x", "--a=1", "--parent-pid", "7"]) == (["/bin/x", "--a=1"], 7)
    assert split(["/bin/x", "--a=1"]) == (["/bin/x", "--a=1"], 0)
