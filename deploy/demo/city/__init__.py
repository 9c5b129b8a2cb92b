"""The simulated district: weather, four city systems on it, their sensors, and faults whose truth is known.

Nothing in here knows a broker or a wall clock: `city.City` makes messages of nominal times, in order, the same ones for the same
seed. It speaks the published contract and imports nothing of the pipeline but `schemas`.
"""
