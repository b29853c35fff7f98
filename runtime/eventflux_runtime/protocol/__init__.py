"""Protocols give bytes a meaning: connections and calls. None knows which carrier moves the bytes."""
