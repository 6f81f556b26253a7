"""Thermostats and friction: one file each, one table."""
