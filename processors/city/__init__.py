"""The state of the city: pure. What windows of devices add to indicators, and the indicators of zones and the district."""
