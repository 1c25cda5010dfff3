"""The sampler: no repeats within an epoch, and a stream that can be entered anywhere."""

from __future__ import annotations

import pytest
import torch

from gantrain.data.sampler import Sampler


def stream(sampler: Sampler, batches: int) -> torch.Tensor:
    return torch.cat([torch.empty(0, dtype=torch.int64), *(next(sampler) for _ in range(batches))])


@pytest.mark.parametrize("batch_size", [1, 4, 7, 10, 25])
def test_every_epoch_holds_every_index_once(batch_size: int) -> None:
    drawn = stream(Sampler(10, batch_size, 0), 20)
    assert drawn.dtype == torch.int64
    whole = drawn[: len(drawn) // 10 * 10].view(-1, 10)
    assert len(whole) >= 2
    assert torch.equal(whole.sort(1).values, torch.arange(10).expand_as(whole))


def test_epochs_and_seeds_differ_and_the_same_seed_repeats() -> None:
    first = stream(Sampler(50, 50, 0), 3)
    assert torch.equal(first, stream(Sampler(50, 50, 0), 3))
    epochs = [*first.view(3, 50), *stream(Sampler(50, 50, 1), 3).view(3, 50)]
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 6


def test_the_stream_does_not_depend_on_the_batch_size() -> None:
    assert torch.equal(stream(Sampler(11, 3, 5), 20), stream(Sampler(11, 20, 5), 3))


@pytest.mark.parametrize("done", [0, 1, 3, 8])
def test_a_resumed_sampler_goes_on_exactly(done: int) -> None:
    whole = Sampler(11, 4, 7)
    stream(whole, done)
    state = whole.state_dict()
    assert state == {"position": 4 * done}
    resumed = Sampler(11, 4, 7)
    stream(resumed, 5)  # a sampler that already moved is set back too
    resumed.load_state_dict(state)
    assert resumed.position == 4 * done
    assert torch.equal(stream(whole, 9), stream(resumed, 9))


def test_it_iterates_and_takes_any_whole_number_as_seed() -> None:
    sampler = Sampler(5, 2, -1)
    assert next(iter(sampler)).shape == (2,)
    assert sampler.position == 2


@pytest.mark.parametrize(("count", "batch_size"), [(0, 1), (1, 0)])
def test_nothing_to_draw_is_our_own_fault(count: int, batch_size: int) -> None:
    with pytest.raises(AssertionError):
        Sampler(count, batch_size, 0)
