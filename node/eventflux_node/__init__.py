"""An EventFlux node and the `eventflux` command: a service that acknowledges messages and hands them to subscribers."""
