"""QUIC as a carrier: a pipe is a stream, and those that lead to one address share a connection.

`trunk` drives one connection of either side by the library qh3, with `streams` and `pulse`; `client` and `listener` own
trunks, `first` reads what strangers send, and `tls` makes configurations of certificates. `tickets` has what was
learned from those, and `transmit` sends what the library has made.
"""
