"""A web server that fails as told, and archives to put on it."""
