//go:build tools

// Pins the Prometheus that the tests run against; its version and sums stand beside.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
