"""The vocabulary that everything else speaks: errors, status, metadata, methods, configuration, endpoints."""
