"""Feature networks of the metrics. `protocol` defines their interface."""
