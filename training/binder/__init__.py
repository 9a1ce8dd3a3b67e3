"""Trains the heads of the pocket binder on cached features of its frozen towers."""
