"""Drainage: rain, combined sewers, storage basins, underpasses, ground that takes water. The hydraulics are SWMM's."""
