"""Event loops, their tasks, clocks and timers; sockets, their options and TLS contexts."""
