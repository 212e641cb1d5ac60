"""Downloads that survive what networks do, and archives unpacked into the layout."""
