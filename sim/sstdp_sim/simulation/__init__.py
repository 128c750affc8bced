"""One run of a simulator: compile, play packets, collect answers."""
