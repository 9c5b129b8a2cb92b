"""Heat: boiler houses, a primary network, exchange stations, buildings and rooms."""
