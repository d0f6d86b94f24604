"""Nights are dark but for their lamps, rare, and leave all other pictures alone."""

import torch

from ccnet.degradation.light import LAMPS, make_night, random_lamps


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


def test_two_in_five_pictures_have_lamps_out_of_focus_that_do_not_outshine_the_rest() -> None:
    lamps = random_lamps(torch.zeros(200, 3, 96, 128), torch.Generator().manual_seed(0))
    red, green, blue = lamps.unbind(1)
    # Those in focus are white or warm, and brighter than what a picture holds.
    coloured = ((green > red + 0.02) | (blue > green + 0.02)).flatten(1).any(1)
    assert 50 <= coloured.sum() <= 90
    brightest = lamps.flatten(1).amax(1)
    assert brightest[coloured].median() < 1.2 < 2 < brightest[~coloured].median()


def test_the_same_seed_makes_the_same_night() -> None:
    pictures = torch.rand(30, 3, 16, 16)
    first, again = (make_night(pictures, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
