"""Carriers move bytes and yield pipes. None knows which protocol the bytes are of."""
