"""Spin-adiabatic states, and light that drives them."""
