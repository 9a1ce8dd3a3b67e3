"""The five tasks as a web page: a thin layer over `seehear.pipeline.studio`."""
