from __future__ import annotations

import torch

from ccnet.network import CCNet, PinnedAverages, SharedAverages, picture_average


def test_averages_each_channel_of_each_picture() -> None:
    features = torch.rand(2, 5, 7, 9)
    expected = features.numpy().reshape(2, 5, -1).mean(2)
    torch.testing.assert_close(picture_average(features).flatten(1), torch.from_numpy(expected))


def test_tiles_share_the_averages_of_the_picture_they_make() -> None:
    picture = torch.rand(1, 5, 12, 16)
    tiles = torch.cat([half for row in picture.chunk(2, 2) for half in row.chunk(2, 3)])
    averages = SharedAverages()
    shared = averages(tiles)
    torch.testing.assert_close(shared, picture_average(picture))
    assert averages.values == [shared]


def test_a_picture_shares_with_itself_what_it_has_alone(small_network: CCNet) -> None:
    picture = torch.rand(1, 3, 130, 124)
    averages = SharedAverages()
    with torch.no_grad():
        torch.testing.assert_close(small_network(picture, averages), small_network(picture))
        pinned = small_network(picture, PinnedAverages(torch.cat(averages.values, 1).flatten()))
        torch.testing.assert_close(pinned, small_network(picture))
    # Two for each of 2 instance norms, one for each of 8 strips in each of 6 stages.
    assert len(averages.values) == 2 * 2 + 8 * 6


def test_pinned_averages_come_in_order() -> None:
    values = torch.arange(6.0)
    pinned = PinnedAverages(values)
    for first, last in ((0, 2), (2, 5), (5, 6)):
        given = pinned(torch.rand(4, last - first, 5, 5))
        assert torch.equal(given, values[first:last].view(1, -1, 1, 1))


def test_far_from_its_borders_a_pinned_tile_is_restored_as_the_whole(
    small_network: CCNet,
) -> None:
    """The strips and convolutions together reach some 600 pixels to each side."""
    torch.manual_seed(3)
    brightness = torch.linspace(0, 1, 1600).expand(1, 3, 124, 1600)
    picture = (brightness + 0.2 * torch.rand(1, 3, 124, 1600)).clamp(0, 1)
    tile = picture[:, :, :, 100:1500]
    averages = SharedAverages()
    with torch.no_grad():
        whole = small_network(picture, averages)[:, :, :, 780:820]
        alone = small_network(tile)[:, :, :, 680:720]
        values = torch.cat(averages.values, 1).flatten()
        pinned = small_network(tile, PinnedAverages(values))[:, :, :, 680:720]
    assert (alone - whole).abs().max() > 1e-2
    torch.testing.assert_close(pinned, whole, rtol=1e-4, atol=1e-4)
