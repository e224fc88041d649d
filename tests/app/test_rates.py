"""The rates of devices that are not here: by what was measured on them, or by a share of their peaks."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from meddef_lib import models
from meddef_lib.app import rates
from meddef_lib.params import ParamsError, devices
from meddef_lib.params.devices import Device, Devices, Peak, SecondsAnImage
from meddef_lib.workbook.book import workbook

TABLE = devices.read()


def operations(variant, what):
    """Multiplications and additions of one image at the table's size, as torch counts them."""
    model = models.build(variant, 4, seed=0).to("meta").train(what == "training")
    images = torch.empty(2, 3, TABLE.image_size, TABLE.image_size, device="meta")
    for parameter in model.parameters():
        parameter.requires_grad_(what == "training")
    images.requires_grad_(what == "gradient")
    with FlopCounterMode(display=False) as counter:
        logits = model(images)
        if what != "forward":
            logits.sum().backward()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("variant", TABLE.multiply_adds)
def test_the_tables_operations_are_those_that_torch_counts(variant):
    assert operations(variant, "forward") == pytest.approx(2e9 * TABLE.multiply_adds[variant], rel=0.01)


@pytest.mark.parametrize("variant", ["resnet18", "full"])
@pytest.mark.parametrize("what", ["gradient", "training"])
def test_a_gradient_takes_as_many_passes_as_it_is_costed(variant, what):
    passes = operations(variant, what) / operations(variant, "forward")
    assert passes == pytest.approx(rates.PASSES[what], rel=0.07)


def test_every_network_that_is_built_of_something_else_is_in_the_table():
    for profile in ("smoke", "paper"):
        assert set(rates._timed(workbook(profile).profile)) <= TABLE.multiply_adds.keys()


def test_a_devices_rates_are_a_share_of_its_peak_in_the_profiles_precision():
    fast = Peak(tflops=100, share=0.5, source="")
    slow = Peak(tflops=10, share=0.5, source="")
    profile = workbook("paper", overrides=["evaluation.bfloat16=on"]).profile
    (both, one) = (
        rates.of_device(Device(title="d", float32=slow, bfloat16=other), profile)["full"]
        for other in (fast, None)
    )
    pass_in_float32 = 2e9 * TABLE.multiply_adds["full"] / 5e12
    assert one.forward == both.forward == pytest.approx(pass_in_float32)
    assert one.gradient == pytest.approx(2 * pass_in_float32)
    assert both.gradient == pytest.approx(2 * pass_in_float32 / 10)
    assert both.training == pytest.approx(3 * pass_in_float32 / 10)
    exact = workbook("paper", overrides=["training.autocast=none"]).profile
    found = rates.of_device(Device(title="d", float32=slow, bfloat16=fast), exact)["full"]
    assert found.training == pytest.approx(3 * pass_in_float32)
    assert found.crafting == found.gradient == pytest.approx(2 * pass_in_float32)


def test_what_was_measured_goes_in_proportion_to_the_pixels():
    seen = SecondsAnImage(forward=1, gradient=2, training=3, crafting=4)
    device = Device(title="d", source="here", measured={"full": seen})
    half = workbook("paper", overrides=["image_size=112"]).profile
    assert rates.of_device(device, half)["full"].training == pytest.approx(3 / 4)
    assert rates.sources(device) == ["d: measured, here"]


@pytest.mark.parametrize("name", ["h100", "a100", "rtx4090", "t4", "cpu"])
def test_every_device_says_where_its_rates_are_from(name):
    for said in rates.sources(devices.named(name)):
        assert (": measured, this" if name == "cpu" else ": estimated, ") in said
        assert "source" in said or "data sheet" in said or "calibration" in said


def test_faster_devices_have_smaller_rates():
    profile = workbook("paper").profile
    found = [rates.of_device(device, profile)["full"].training for device in TABLE.devices.values()]
    assert found == sorted(found), "the table goes from the fastest to the slowest"


def test_a_device_that_nobody_knows_is_refused():
    with pytest.raises(ParamsError, match=r"--on is 'h10'; known are .*did you mean h100"):
        devices.named("h10")
    with pytest.raises(ValueError, match="either `measured` or the peak"):
        Devices(image_size=224, multiply_adds={}, devices={"none": {"title": "d"}})
