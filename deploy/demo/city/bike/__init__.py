"""Public bicycles: stations, trips, the crews that carry and mend."""
