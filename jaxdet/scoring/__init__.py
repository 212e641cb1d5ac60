"""From pixels to rows of scores: pieces, batches of a few shapes, logits. A crop is a piece."""
