"""The real device beside the reference model: each step is done on both, and then they are compared."""

from __future__ import annotations

from collections.abc import Iterable

from model import Image, Model

from hil.dfu.errors import LinkLost, SmpResultError, SmpTimeout
from hil.dfu.update import Update
from hil.image.factory import ImageFactory
from hil.image.sign import SignedImage
from hil.image.variants import Behaviour
from hil.rig.device import Device

BASE = Image("base", (1, 0, 0))
IMAGES = {
    image.name: image
    for image in (
        BASE,
        Image("next", (1, 1, 0)),
        Image("later", (1, 2, 0)),
        Image("fix", (1, 3, 0), counter=2),
        Image("shy", (1, 4, 0), confirms=False),
        Image("older", (0, 9, 0)),
        Image("low counter", (2, 0, 0), counter=0),
    )
}
"""What there is to upload: sound updates, one that never confirms, a lower version, a lower security counter."""

Step = tuple[str, ...]
SETTLE_S = 5.0
"""Longer than an image takes from its start until it has confirmed itself."""


class Pair:
    """A device and its model, in step."""

    def __init__(self, dut: Device, images: ImageFactory, provisioned: bytes) -> None:
        self.dut = dut
        self.rig = dut.rig
        self._images = images
        self._provisioned = provisioned
        self.model = Model(BASE)
        self.steps: list[Step] = []
        self.update = Update(self.rig.run, dut.air())

    def signed(self, image: Image) -> SignedImage:
        """The image itself."""
        return self._images.make(
            ".".join(map(str, image.version)),
            security_counter=image.counter,
            behaviour=Behaviour.NORMAL if image.confirms else Behaviour.NEVER_CONFIRM,
        )

    def begin(self) -> None:
        """Bring the device back to where it was provisioned."""
        self.update.close()
        self._charge(100)
        self.dut.restore_flash(self._provisioned)
        self.dut.power_on()
        self.dut.wait_booted()
        self.model = Model(BASE)
        self.steps = []

    def do(self, *step: str) -> None:
        """One step on both, then the comparison. Raises AssertionError where they differ."""
        self.steps.append(step)
        name, *arguments = step
        expected = getattr(self, f"_{name}")(*arguments)
        told = " ".join(step)
        if expected is not None:
            taken, answer = expected
            assert taken == answer, f"{told}: the device {'took' if taken else 'refused'} it"
        self._compare(told)

    # ---- Steps: (whether the device took it, whether the model does), or None where nothing is asked ----

    def _upload(self, name: str) -> tuple[bool, bool]:
        image = IMAGES[name]
        return self._taken(lambda: self.update.start(self.signed(image)).run()), self.model.upload(image)

    def _drop(self, name: str) -> tuple[bool, bool]:
        image = IMAGES[name]

        def part() -> None:
            transfer = self.update.start(self.signed(image))
            transfer.run_until(fraction=0.4)
            transfer.drop_link()

        taken = self._taken(part)
        # Begun again, it would go on: to the model it is as if it had never been.
        return taken, self.model.upload(image, whole=False)

    def _cut(self, name: str) -> tuple[bool, bool]:
        image = IMAGES[name]

        def part() -> None:
            self.update.start(self.signed(image)).run_until(fraction=0.6)

        taken, answer = self._taken(part), self.model.upload(image, whole=False)
        self._power()
        return taken, answer

    def _test(self) -> tuple[bool, bool] | None:
        if self.model.update is None:
            return None
        hash = self.signed(self.model.update).hash
        return self._taken(lambda: self.update.test(hash)), self.model.test()

    def _confirm(self) -> tuple[bool, bool]:
        return self._taken(self.update.confirm), self.model.confirm()

    def _erase(self) -> tuple[bool, bool]:
        return self._taken(self.update.erase), self.model.erase()

    def _reset(self) -> None:
        if not self.model.charged and not self.model.confirmed:
            return  # the bootloader would wait for the battery
        self.model.reset()
        self.update.reset()
        self._settle()

    def _power(self) -> None:
        if not self.model.charged and not self.model.confirmed:
            return
        self.model.reset()
        self.rig.run(self.update.session.drop())
        self.dut.power_cycle()
        self._settle()

    def _drain(self) -> None:
        battery = self.dut.file.battery
        assert battery is not None
        self.model.charged = False
        self._charge(min(battery.swap_minimum, battery.upload_minimum) - 3)

    def _recharge(self) -> None:
        self.model.charged = True
        self._charge(100)

    # ---- Inside ----

    def _charge(self, percent: float) -> None:
        if self.dut.file.battery is not None:
            self.dut.set_battery(percent)

    def _settle(self) -> None:
        self.update.wait_alive()
        self.rig.sleep(SETTLE_S)

    def _taken(self, ask: object) -> bool:
        assert callable(ask)
        try:
            ask()
        except SmpResultError:
            return False
        except (LinkLost, SmpTimeout) as error:
            raise AssertionError(f"the device did not answer: {error}") from error
        return True

    def _compare(self, told: str) -> None:
        model = self.model
        states = self.update.states()
        running = next((state for state in states if state.active), None)
        expected = self.signed(model.running)
        assert running is not None and running.hash == expected.hash, (
            f"after {told} the device runs {running.version if running else 'nothing'}, "
            f"and should run {model.running.name} {expected.version}"
        )
        assert running.confirmed == model.confirmed, (
            f"after {told} the running image is {'' if running.confirmed else 'not '}confirmed"
        )
        pending = any(state.pending for state in states)
        assert pending == model.pending, f"after {told} an update is {'' if pending else 'not '}pending"

    def at_the_end(self) -> None:
        """What takes a probe: once an example."""
        if "probe" not in self.rig.capabilities:
            return
        assert self.dut.holds(self.signed(self.model.running)), "the image that runs is not whole"
        for name in ("bootloader", "provisioning"):
            region = getattr(self.dut.file, name)
            if region is not None:
                now = self.dut.read_flash(region.start, region.size)
                assert now == self._provisioned[region.start : region.end], f"the {name} was changed"


def replay(pair: Pair, steps: Iterable[Step]) -> None:
    """Do these steps from a provisioned device on."""
    pair.begin()
    for step in steps:
        pair.do(*step)
    pair.at_the_end()
