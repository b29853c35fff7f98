"""The connections of a channel: which there are, which is taken, what becomes of those that fail."""
