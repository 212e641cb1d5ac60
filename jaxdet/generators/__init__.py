"""Small CNN image generators trained on the spot; their fakes are the built-in dataset."""
