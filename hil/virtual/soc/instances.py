"""What sits at which address (nRF52840 Product Specification, Memory, Instantiation): names for the log."""

from __future__ import annotations

from hil.virtual.soc.bus import Bus

PAGE = 0x1000
INSTANCES = (
    # Longer names list the peripherals that share an address.
    (0x4000_0000, PAGE, "CLOCK/POWER/APPROTECT"),
    (0x4000_1000, PAGE, "RADIO"),
    (0x4000_2000, PAGE, "UARTE0/UART0"),
    (0x4000_3000, PAGE, "SPIM0/SPIS0/SPI0/TWIM0/TWIS0/TWI0"),
    (0x4000_4000, PAGE, "SPIM1/SPIS1/SPI1/TWIM1/TWIS1/TWI1"),
    (0x4000_5000, PAGE, "NFCT"),
    (0x4000_6000, PAGE, "GPIOTE"),
    (0x4000_7000, PAGE, "SAADC"),
    (0x4000_8000, PAGE, "TIMER0"),
    (0x4000_9000, PAGE, "TIMER1"),
    (0x4000_A000, PAGE, "TIMER2"),
    (0x4000_B000, PAGE, "RTC0"),
    (0x4000_C000, PAGE, "TEMP"),
    (0x4000_D000, PAGE, "RNG"),
    (0x4000_E000, PAGE, "ECB"),
    (0x4000_F000, PAGE, "AAR/CCM"),
    (0x4001_0000, PAGE, "WDT"),
    (0x4001_1000, PAGE, "RTC1"),
    (0x4001_2000, PAGE, "QDEC"),
    (0x4001_3000, PAGE, "COMP/LPCOMP"),
    (0x4001_4000, PAGE, "EGU0/SWI0"),
    (0x4001_5000, PAGE, "EGU1/SWI1"),
    (0x4001_6000, PAGE, "EGU2/SWI2"),
    (0x4001_7000, PAGE, "EGU3/SWI3"),
    (0x4001_8000, PAGE, "EGU4/SWI4"),
    (0x4001_9000, PAGE, "EGU5/SWI5"),
    (0x4001_A000, PAGE, "TIMER3"),
    (0x4001_B000, PAGE, "TIMER4"),
    (0x4001_C000, PAGE, "PWM0"),
    (0x4001_D000, PAGE, "PDM"),
    (0x4001_E000, PAGE, "NVMC/ACL"),
    (0x4001_F000, PAGE, "PPI"),
    (0x4002_0000, PAGE, "MWU"),
    (0x4002_1000, PAGE, "PWM1"),
    (0x4002_2000, PAGE, "PWM2"),
    (0x4002_3000, PAGE, "SPIM2/SPIS2/SPI2"),
    (0x4002_4000, PAGE, "RTC2"),
    (0x4002_5000, PAGE, "I2S"),
    (0x4002_6000, PAGE, "FPU"),
    (0x4002_7000, PAGE, "USBD"),
    (0x4002_8000, PAGE, "UARTE1"),
    (0x4002_9000, PAGE, "QSPI"),
    (0x4002_D000, PAGE, "PWM3"),
    (0x4002_F000, PAGE, "SPIM3"),
    (0x5000_0000, 0x300, "P0"),
    (0x5000_0300, 0xD00, "P1"),
    (0x5002_A000, PAGE, "CRYPTOCELL"),
    (0x5002_B000, PAGE, "CC_HOST_RGF"),
    (0x0000_0000, 0x10_0000, "FLASH"),
    (0x1000_0000, PAGE, "FICR"),
    (0x1000_1000, PAGE, "UICR"),
    (0x1200_0000, 0x800_0000, "XIP"),
)

_CRYPTOCELL = (
    "the firmware uses CryptoCell, which is not modelled: it will wait for it; build it with cryptography in "
    "software"
)
ADVICE = {
    "RADIO": "the firmware uses the radio on the chip, which is not modelled: its Bluetooth will stay silent; "
    "build it for a controller by HCI over UART (H4, 1 Mbit/s: TXD P1.02, RXD P1.01, RTS P1.04, CTS P1.03)",
    "NFCT": "the firmware uses NFC, which is not modelled: no field will ever come",
    "USBD": "the firmware uses USB, which is not modelled: no host will ever come; the UART on P0.06 and P0.08 "
    "is served",
    "CRYPTOCELL": _CRYPTOCELL,
    "CC_HOST_RGF": _CRYPTOCELL,
}
"""What it means for firmware that a block is not modelled, and the way round it, by the block's name."""


def name_all(bus: Bus) -> None:
    """Tell the bus what to call the blocks, modelled or not."""
    for base, size, name in INSTANCES:
        bus.name_block(base, size, name, ADVICE.get(name, ""))
