"""Networks and front-ends. Only here and in `generators` is Flax imported."""
