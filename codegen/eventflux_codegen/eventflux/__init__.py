"""EventFlux's own part of the generator: its message-passing transports, and the names of its messages' fields."""
