"""Colours: Okabe and Ito's set, which the colour-blind tell apart, its dark blue and black lightened for a dark wall.

Red against green is nowhere a message by itself: what is bad is vermillion or purple and says so in words or as a number.
"""

from typing import Final

ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#2FC49A"
YELLOW: Final = "#F0E442"
BLUE: Final = "#5B8FF9"
VERMILLION: Final = "#E8601C"
PURPLE: Final = "#D88FBB"
GREY: Final = "#9AA0A6"
WHITE: Final = "#E8EAED"

SERIES: Final = (SKY, ORANGE, GREEN, YELLOW, PURPLE, BLUE, VERMILLION, GREY)

GOOD: Final = SKY
WARN: Final = ORANGE
BAD: Final = VERMILLION
UNKNOWN: Final = GREY
SUSPECT: Final = PURPLE

# Of alerts, by how soon somebody must act
SEVERITY: Final = {"informational": GREY, "low": SKY, "medium": YELLOW, "high": ORANGE, "critical": VERMILLION}
