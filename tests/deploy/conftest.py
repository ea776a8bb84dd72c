"""The control plane of the contract tests, with what a region installs besides."""

from tests.contract.conftest import kube

__all__ = ["kube"]
