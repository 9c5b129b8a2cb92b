"""Apache Kafka from Maven's jars, in KRaft mode (no ZooKeeper)."""
