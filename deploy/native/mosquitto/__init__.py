"""Eclipse Mosquitto from Debian, with a configuration, data and port of our own: never the packaged service."""
