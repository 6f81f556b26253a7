"""Objects that stand in place of models: with all that the model has but what they do themselves."""


class InPlaceOf:
    """Has everything of another object by itself, but for what a subclass defines.

    No `__getattr__`: from Python 3.12 on `isinstance` with a protocol looks at what an object has of its own.
    """

    def __init__(self, inner: object) -> None:
        """Take over what is public."""
        self.inner = inner
        for name in dir(inner):
            if not name.startswith("_") and not hasattr(type(self), name):
                setattr(self, name, getattr(inner, name))
