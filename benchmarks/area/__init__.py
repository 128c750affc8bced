"""Fits the area model to synthesis and measures how good it is."""
