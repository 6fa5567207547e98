"""What other slices say of a slice: those above and below it, and other reconstructions of it."""
