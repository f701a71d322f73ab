"""Problems, engines, strategies and the record store. Knows nothing of training or statistics."""
