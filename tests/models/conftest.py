"""Helpers of the tests of models can be imported from every folder below."""
