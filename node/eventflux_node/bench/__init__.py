"""Load on one method of a server, and what it shows: calls a second, latencies, failures."""
