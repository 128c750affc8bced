"""From pixels to spike events in time order."""
