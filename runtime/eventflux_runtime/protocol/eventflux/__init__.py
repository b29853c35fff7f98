"""EventFlux's own frames: length-prefixed messages over TCP."""
