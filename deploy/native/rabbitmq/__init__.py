"""RabbitMQ with its MQTT plugin: what it has acknowledged it still has after a crash.

Debian's packages are unpacked into the cache and never installed, so there is no packaged service to keep from starting, nothing
needs root's rights, and nothing changes on the machine. The node has a name and listens to no other: neither Erlang's port mapper
(epmd) nor a port for distribution is opened, only MQTT and the management interface, both on loopback.
"""
