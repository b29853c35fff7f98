"""HTTP/1 in front of a port's protocols: probes, pages, and requests for another protocol."""
