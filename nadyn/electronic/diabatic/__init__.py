"""Diabatic states from wave functions at many geometries."""
