"""How stats leave a process: by a service on every wire, with a client of it, and as a page for Prometheus."""
