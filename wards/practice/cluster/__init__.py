"""A real Kubernetes control plane for the practice hospital: etcd, an API server, a fence."""
