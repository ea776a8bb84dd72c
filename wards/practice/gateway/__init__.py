"""A practice gateway: one route a ward, fenced by epoch, and as late as real ones are."""
