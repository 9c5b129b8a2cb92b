"""Real Kafka, Mosquitto and InfluxDB as child processes on loopback, from package registries, without Docker."""
