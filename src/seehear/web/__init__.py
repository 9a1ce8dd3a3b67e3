"""A page in the browser for the five tasks: a thin caller of `seehear.pipeline.studio`."""
