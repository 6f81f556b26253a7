"""Models of the tests of the dynamics can be imported from every folder below."""
