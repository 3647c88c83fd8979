"""The long experiments: defined once, run anywhere, stored so that anyone can question them."""
