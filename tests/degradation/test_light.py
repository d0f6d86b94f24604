"""Nights are dark but for their lamps, rare, and leave all other pictures alone."""

import torch

from ccnet.degradation.light import HIGHEST_BLACK, LAMPS, deepen_black, make_night


def test_nights_are_rare_dark_and_have_a_few_lamps() -> None:
    gray = torch.full((400, 3, 48, 64), 0.5)
    made = make_night(gray, torch.Generator().manual_seed(0))
    assert made.shape == gray.shape
    assert made.amin() >= 0
    assert made.amax() <= 1
    nights = (made != gray).flatten(1).any(1)
    assert 15 <= nights.sum() <= 50
    medians = made[nights].flatten(1).median(1).values
    assert (medians < 0.3).all()
    white = (made[nights].amax(1) == 1).flatten(1).float().mean(1)
    # A spot's white part has at most 1.5 times the radius of its deviation, sqrt(10) pixels.
    assert white.max() < LAMPS * 3.2 * 10 * 1.5**2 / (48 * 64)
    assert (white > 0).float().mean() > 0.5


def test_the_same_seed_makes_the_same_night() -> None:
    pictures = torch.rand(30, 3, 16, 16)
    first, again = (make_night(pictures, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)


def test_a_veil_is_taken_off_as_koschmieder_put_it_on() -> None:
    """A veil of white before a picture with black in it: J * t + 1 - t, and back."""
    generator = torch.Generator().manual_seed(0)
    scenes = torch.rand(200, 3, 20, 20, generator=generator)
    scenes[:, 1, :5, :5] = 0  # a sixteenth is black in one channel
    veil = 0.08
    made = deepen_black(scenes * (1 - veil) + veil, generator)
    levels = made[:, 1, 0, 0]
    untouched = torch.isclose(levels, torch.tensor(veil))
    assert 0.15 < untouched.float().mean() < 0.45
    # From half of it to all of it is taken.
    assert levels[~untouched].min() < 0.005
    assert (levels[~untouched] <= veil / 2 / (1 - veil / 2) + 1e-6).all()
    taken = (veil - levels) / (1 - levels)
    expected = (scenes * (1 - veil) + veil - taken[:, None, None, None]) / (
        1 - taken[:, None, None, None]
    )
    torch.testing.assert_close(made, expected.clamp(0, 1), rtol=0, atol=1e-5)


def test_skies_are_not_made_black() -> None:
    sky = torch.full((50, 3, 16, 16), 0.8)
    made = deepen_black(sky, torch.Generator().manual_seed(0))
    lowest = (0.8 - HIGHEST_BLACK) / (1 - HIGHEST_BLACK)
    assert made.amin() >= lowest - 1e-6
    assert torch.equal(deepen_black(sky * 0, torch.Generator()), sky * 0)
