"""The native protocol as connections and calls: binds the sans-IO core in `core/` to a pipe and to messages."""
