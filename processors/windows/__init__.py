"""Windows: pure. What a window is made of, how larger ones come of smaller ones, and the tasks that keep them in time."""
