"""WebSocket as a carrier: a pipe over a pipe. `layer` is what the table of schemes names."""
