"""Weights that come at run time: the stream that brings them, and what images wait for."""
