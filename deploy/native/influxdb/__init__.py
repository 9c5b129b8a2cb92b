"""InfluxDB 2, built from its own source by the Go tool chain, because no package registry carries the binary."""
