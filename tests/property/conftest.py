"""Shared machines are slow now and then: no deadline for a single example. `HANAN_EXAMPLES=5000` looks harder."""

import os

from hypothesis import settings

settings.register_profile("hanan", deadline=None, max_examples=int(os.environ.get("HANAN_EXAMPLES", "100")))
settings.load_profile("hanan")
