"""From events that come in order of time to spike events."""
