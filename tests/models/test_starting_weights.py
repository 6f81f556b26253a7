import threading

import torch

from nadyn.models.starting_weights import starting_weights


def draw(seed: int) -> torch.Tensor:
    with starting_weights(seed):
        return torch.randn(5)


def test_a_seed_gives_its_weights_and_leaves_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_thread_that_draws_while_another_does_waits_for_it() -> None:
    expected = [draw(1), draw(2)]
    begun, found = threading.Event(), []

    def other() -> None:
        begun.wait()
        found.append(draw(2))

    thread = threading.Thread(target=other)
    thread.start()
    with starting_weights(1):
        begun.set()
        # Time for the other to disturb this one, if it did not wait.
        thread.join(timeout=0.2)
        assert not found
        mine = torch.randn(5)
    thread.join(timeout=10)
    assert torch.equal(mine, expected[0])
    assert torch.equal(found[0], expected[1])
