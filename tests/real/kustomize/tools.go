//go:build tools

// Pins the kustomize that the tests render the manifests with; its version and sums stand beside.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
