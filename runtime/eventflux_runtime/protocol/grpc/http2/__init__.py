"""HTTP/2 (RFC 9113) and HPACK (RFC 7541) without I/O, as far as gRPC and a hostile peer need them."""
