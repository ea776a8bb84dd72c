//go:build tools

// Pins the Alertmanager that the tests run against; its version and sums stand beside.
package tools

import _ "github.com/prometheus/alertmanager/cmd/alertmanager"
