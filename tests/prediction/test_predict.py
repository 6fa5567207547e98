"""Every pixel of a slice is predicted while it is hidden, and put back where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.intensity import measured_pixels, noise_scale
from dfd.modalities import MODALITIES, Modality
from dfd.prediction import predict
from dfd.prediction.predict import ALIGN_PX, MARGIN_PX, predict_slice, window_of
from dfd.records import FloatImage

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
LEVEL = {"ct_lung": 40.0, "mri_chest": 400.0}
BOTH = pytest.mark.parametrize("modality", MODALITIES.values(), ids=MODALITIES)


@pytest.fixture(scope="module")
def network() -> MaskedPredictor:
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 6, 8, 8), filters=3, num_res_units=1).eval()


def noisy(modality: Modality, shape: tuple[int, int] = (80, 96), seed: int = 3) -> FloatImage:
    # Wide soft noise: the shape of every pixel's surroundings differs, so that a prediction put
    # back at a wrong place shows.
    return (LEVEL[modality.name] + np.random.default_rng(seed).normal(0.0, 12.0, shape)).astype(
        np.float32
    )


def constant_answer(mean: float, log_spread: float):
    return lambda shown: torch.stack(
        [torch.full_like(shown[:, 0], mean), torch.full_like(shown[:, 0], log_spread)], dim=1
    )


def test_window_is_aligned_and_keeps_a_margin() -> None:
    measured = np.zeros((200, 160), dtype=bool)
    measured[70:121, 61:90] = True
    rows, columns = window_of(measured)
    for window, low, high in ((rows, 70, 121), (columns, 61, 90)):
        assert window.start % ALIGN_PX == window.stop % ALIGN_PX == 0
        assert low - MARGIN_PX - ALIGN_PX < window.start <= low - MARGIN_PX
        assert high + MARGIN_PX <= window.stop < high + MARGIN_PX + ALIGN_PX


def test_window_ends_at_the_slice() -> None:
    measured = np.zeros((37, 41), dtype=bool)
    measured[3, 40] = measured[36, 2] = True
    assert window_of(measured) == (slice(0, 37), slice(0, 41))


@BOTH
def test_numbers_are_in_the_unit_of_the_slice(modality: Modality) -> None:
    image = noisy(modality)
    scale = noise_scale(image, measured_pixels(image, modality), modality)
    answer = predict_slice(image, constant_answer(3.0, 0.5), modality)
    assert answer.noise_scale == scale
    known = answer.assessed
    np.testing.assert_allclose(answer.mean[known], 3.0 * scale, rtol=1e-5)
    np.testing.assert_allclose(answer.spread[known], np.exp(0.5) * scale, rtol=1e-5)
    np.testing.assert_allclose(
        answer.z[known], (image[known] - 3.0 * scale) / (np.exp(0.5) * scale), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(answer.mean[~known], image[~known])
    assert known.mean() > 0.95
    assert {plane.dtype for plane in (answer.mean, answer.spread, answer.z)} == {
        np.dtype(np.float32)
    }


@BOTH
def test_z_is_the_residual_in_spreads(modality: Modality, network: MaskedPredictor) -> None:
    image = noisy(modality)
    answer = predict_slice(image, network, modality)
    np.testing.assert_allclose(answer.z, (image - answer.mean) / answer.spread, atol=1e-3)
    assert (answer.spread > 0).all()
    assert answer.z[answer.assessed].all(), "every pixel has a residual"


def test_the_network_sees_hidden_pixels_as_zero_and_is_asked_five_times() -> None:
    image, seen = noisy(CT), []

    def spy(shown: torch.Tensor) -> torch.Tensor:
        seen.append(shown.clone())
        return torch.zeros(1, 2, *shown.shape[-2:])

    predict_slice(image, spy, CT)
    hidden = torch.stack([shown[0, 1] for shown in seen])
    assert len(seen) == 5
    assert (hidden.sum(0) == 1).all()
    assert all((shown[0, 0][shown[0, 1] == 1] == 0).all() for shown in seen)
    assert all((shown[0, 0][shown[0, 1] == 0] != 0).all() for shown in seen)


@pytest.mark.parametrize("place", [(40, 40), (0, 40), (79, 50), (33, 95), (33, 7)])
def test_a_pixel_cannot_tell_on_itself(network: MaskedPredictor, place: tuple[int, int]) -> None:
    image = noisy(CT)
    # The pixel's tile is made the noisiest of all, so that the change leaves the noise scale (a low
    # percentile of tiles) as it is.
    row, column = (start // 16 * 16 for start in place)
    image[row : row + 16, column : column + 16] += (
        np.random.default_rng(1).normal(0, 30, (16, 16)).astype(np.float32)
    )
    other = image.copy()
    other[place] += 90.0
    before, after = predict_slice(image, network, CT), predict_slice(other, network, CT)
    assert before.noise_scale == after.noise_scale
    assert before.mean[place] == after.mean[place]
    assert before.spread[place] == after.spread[place]
    assert after.z[place] - before.z[place] == pytest.approx(90.0 / before.spread[place], rel=1e-3)
    changed = before.mean != after.mean
    assert changed.any(), "its neighbours do see it"


def test_only_the_surroundings_of_a_pixel_change(network: MaskedPredictor) -> None:
    image = noisy(CT, (160, 176))
    image[64:80, 64:80] += np.random.default_rng(1).normal(0, 30, (16, 16)).astype(np.float32)
    other = image.copy()
    other[70, 70] += 90.0
    before, after = predict_slice(image, network, CT), predict_slice(other, network, CT)
    rows, columns = np.nonzero(before.mean != after.mean)
    far = max(np.abs(rows - 70).max(), np.abs(columns - 70).max())
    assert 3 <= far < 60


@pytest.mark.parametrize("corner", [(40, 48), (33, 51)])
def test_cropping_to_the_measured_part_changes_nothing(
    network: MaskedPredictor, monkeypatch: pytest.MonkeyPatch, corner: tuple[int, int]
) -> None:
    image = np.full((200, 208), np.nan, dtype=np.float32)
    top, left = corner
    image[top : top + 80, left : left + 96] = noisy(CT)
    cropped = predict_slice(image, network, CT)
    assert (window_of(cropped.assessed)[0].start, window_of(cropped.assessed)[1].start) != (0, 0)
    monkeypatch.setattr(predict, "window_of", lambda measured: (slice(0, 200), slice(0, 208)))
    whole = predict_slice(image, network, CT)
    here = cropped.assessed
    assert here.sum() > 0.95 * 80 * 96
    assert np.abs(cropped.mean - whole.mean)[here].max() < 0.05 * whole.spread[here].min()
    np.testing.assert_allclose(cropped.spread[here], whole.spread[here], rtol=0.05)
    inner = np.zeros_like(here)
    inner[top + 16 : top + 64, left + 16 : left + 80] = True
    assert np.abs(cropped.mean - whole.mean)[inner].max() < 0.005 * whole.spread[here].min()


@BOTH
def test_what_is_not_measured_is_not_assessed(modality: Modality, network: MaskedPredictor) -> None:
    image = noisy(modality)
    image[:, :20] = np.nan
    image[5, 30] = np.inf
    if modality.floor is not None:
        image[6, 30] = modality.floor
    answer = predict_slice(image, network, modality)
    assert not answer.assessed[:, :20].any()
    assert not answer.assessed[5, 30]
    assert answer.assessed[6, 30] == (modality.floor is None)
    assert (answer.z[~answer.assessed] == 0).all()
    assert all(np.isfinite(plane).all() for plane in (answer.mean, answer.spread, answer.z))
    assert (answer.spread > 0).all()
    assert np.isnan(image[0, 0]), "the argument is left alone"


def test_noise_in_the_air_around_the_body_is_not_assessed(network: MaskedPredictor) -> None:
    image = (-960.0 + np.random.default_rng(3).normal(0.0, 10.0, (160, 160))).astype(np.float32)
    image[40:120, 30:126] = noisy(CT)
    answer = predict_slice(image, network, CT)
    assert not answer.assessed[:24].any()
    assert not answer.assessed[:, :14].any()
    assert answer.assessed[56:104, 46:110].all()
    np.testing.assert_array_equal(answer.mean[:24], image[:24])


@pytest.mark.parametrize("value", [np.nan, -1000.0, 40.0])
def test_a_slice_without_measurement_is_answered_without_the_network(value: float) -> None:
    def never(shown: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing to predict")

    answer = predict_slice(np.full((20, 24), value, dtype=np.float32), never, CT)
    assert not answer.assessed.any()
    assert (answer.z == 0).all()
    assert (answer.spread == 1).all()
    assert np.isnan(answer.noise_scale)


@pytest.mark.parametrize("shape", [(17, 17), (16, 33), (5, 70)])
def test_odd_and_tiny_slices(network: MaskedPredictor, shape: tuple[int, int]) -> None:
    answer = predict_slice(noisy(CT, shape), network, CT)
    assert answer.mean.shape == answer.spread.shape == answer.z.shape == shape
    assert answer.assessed.all()


def test_the_same_slice_gives_the_same_bytes(network: MaskedPredictor) -> None:
    image = noisy(CT)
    one, two = (
        predict_slice(image, network, CT),
        predict_slice(torch.from_numpy(image), network, CT),
    )
    assert one.mean.tobytes() == two.mean.tobytes()
    assert one.z.tobytes() == two.z.tobytes()


def test_a_louder_slice_of_mr_gives_the_same_z(network: MaskedPredictor) -> None:
    """MR has no unit: a factor on the slice must not change what is said of it."""
    image = noisy(MR)
    one, two = predict_slice(image, network, MR), predict_slice(image * 8.0, network, MR)
    np.testing.assert_allclose(one.z, two.z, atol=2e-3)
