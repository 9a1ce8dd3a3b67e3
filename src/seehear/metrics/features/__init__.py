"""Networks whose features and classes the metrics read; `protocol` says what each must offer."""
