"""The other engine of gRPC: HTTP/2 as grpcio speaks it. Imported at first use, because it imports grpc."""
