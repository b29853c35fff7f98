"""How modules are loaded: at first use, and compiled or not."""
