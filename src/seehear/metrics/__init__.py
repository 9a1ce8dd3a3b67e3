"""What generated media are scored with. Nothing here is ever used in guidance."""
