"""The wires a user picks by a URL's scheme: each a protocol over a carrier."""
