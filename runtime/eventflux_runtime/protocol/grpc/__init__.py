"""gRPC on an HTTP/2 core of our own: `http2` is the core without I/O."""
