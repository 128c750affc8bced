"""Hostile beats and chosen images."""
