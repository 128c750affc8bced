"""Verbs of the command line that need this package."""
