"""A detector as a service: a page for people and an API for programs, over one model."""
