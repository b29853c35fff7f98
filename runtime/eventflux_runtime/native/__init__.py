"""The native protocol as connections and calls: binds the sans-IO core in `wire/` to a pipe and to messages."""
