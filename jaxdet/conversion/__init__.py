"""Runs `python -m jaxdet.convert`: its options, and what each of its subcommands does."""
