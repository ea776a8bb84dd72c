"""Routes and leases on a Kubernetes cluster. The only importer of the kubernetes library."""
