//go:build tools

// Pins the Gateway API whose resource definitions the tests install; its version and sums
// stand beside.
package tools

import _ "sigs.k8s.io/gateway-api/apis/v1"
