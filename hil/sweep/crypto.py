"""The functions of the bundled bootloader whose result is up to their arguments alone
(firmware/crypto/crypto.h).
"""

from __future__ import annotations

from hil.rig.machine import Part, Pure
from hil.sweep.scenario import Scenario

_CONTEXT = 128

PURE = {
    "crypto_sha256_update": Pure((Part(0, _CONTEXT), Part(1, size_in=2)), (Part(0, _CONTEXT),)),
    "crypto_p256_verify": Pure((Part(0, 32), Part(1, 64), Part(2, 64)), returns=True),
    "crypto_ed25519_verify": Pure((Part(0, 64), Part(1, 32), Part(2, size_in=3)), returns=True),
}


def pure_functions(scenario: Scenario) -> dict[int, Pure]:
    """By address, those that the scenario's bootloader has."""
    return {
        scenario.symbols[name][0]: function for name, function in PURE.items() if name in scenario.symbols
    }
