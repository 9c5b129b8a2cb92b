"""Work orders: pure. From what is measured of a place to who goes where next, why, and by when."""
