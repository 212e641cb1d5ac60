"""Makes datasets of photographs: their fakes come from generators that are trained on the spot."""
