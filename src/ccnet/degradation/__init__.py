"""Haze as a physical model, for making pairs to train and measure on."""
