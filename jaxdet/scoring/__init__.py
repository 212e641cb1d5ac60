"""Turns pixels into rows of scores: pieces, batches of a few shapes, logits.

One crop of each image of a set is no piece: it comes in the batches of `data.loaders.EvalLoader`,
which worker processes put together.
"""
