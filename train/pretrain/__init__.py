"""Pre-training of the embedded model: a model organism of anchoring with a known cause."""
