"""Counts as people say them: 1 step, 2 steps."""


def counted(n: int, noun: str) -> str:
    """Return a number with its noun in the singular or the plural: `1 degree of freedom`, `4 trajectories`.

    Args:
        n: How many.
        noun: In the singular, of the kind whose plural ends in s; what follows ` of ` stays as it is.
    """
    if n == 1:
        return f"{n} {noun}"
    head, of, rest = noun.partition(" of ")
    plural = f"{head[:-1]}ies" if head.endswith("y") else f"{head}s"
    return f"{n} {plural}{of}{rest}"


def with_article(noun: str) -> str:
    """Return a noun behind `a` or `an`, by the sound of its first letter: `an extended xyz file`."""
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"
