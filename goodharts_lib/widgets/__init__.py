"""Panels for notebooks. They need the `notebooks` extra, and draw nothing themselves."""
