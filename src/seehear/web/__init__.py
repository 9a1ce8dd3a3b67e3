"""The web interface for the five tasks: a thin layer over `seehear.pipeline.studio`."""
