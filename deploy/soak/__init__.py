"""Proof by force: a numbered fleet publishes, processes are killed, and InfluxDB is held against what was acknowledged.

`hanan soak` and the chaos suite (`tests/chaos`) are both made of these parts.
"""
