"""Networks whose features and classes the metrics read."""
