"""Stands between pixels and network where a detector does not look at pixels."""
