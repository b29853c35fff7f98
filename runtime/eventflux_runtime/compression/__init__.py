"""Compression: the algorithms, the payloads of messages, and a bound on what is held expanded."""
