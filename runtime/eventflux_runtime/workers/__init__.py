"""Several processes that serve the same, on the same addresses, with one that watches over them."""
