"""Rules: what they say (model, load), what they look at (expression, past), what becomes of it (lifecycle, engine). Pure."""
