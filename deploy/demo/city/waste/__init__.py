"""Waste: containers at the roadside, trucks, and the transfer stations they bring it to."""
