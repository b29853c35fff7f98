"""TypeScript: the same messages, codecs and clients for browsers and Node."""
