"""Multiplication, saturation and the parallel instructions of the DSP extension (ARM ARM A5.3.15-17, A4.4.3-7)."""

from __future__ import annotations

PARALLEL = tuple(
    f"{prefix}{operation}"
    for prefix in ("s", "q", "sh", "u", "uq", "uh")
    for operation in ("add8", "sub8", "add16", "sub16", "asx", "sax")
)
HALVES = ("bb", "bt", "tb", "tt")

TEMPLATES = (
    "mul {r}, {r}, {r}",
    *(f"{name} {{r}}, {{r}}, {{r}}, {{r}}" for name in ("mla", "mls")),
    *(f"{name} {{u}}, {{u}}, {{r}}, {{r}}" for name in ("smull", "umull", "smlal", "umlal", "umaal")),
    *(f"smul{halves} {{r}}, {{r}}, {{r}}" for halves in HALVES),
    *(f"smla{halves} {{r}}, {{r}}, {{r}}, {{r}}" for halves in HALVES),
    *(f"smlal{halves} {{u}}, {{u}}, {{r}}, {{r}}" for halves in HALVES),
    *(f"{name} {{r}}, {{r}}, {{r}}" for name in ("smulwb", "smulwt", "smuad", "smuadx", "smusd", "smusdx")),
    *(
        f"{name} {{r}}, {{r}}, {{r}}, {{r}}"
        for name in ("smlawb", "smlawt", "smlad", "smladx", "smlsd", "smlsdx")
    ),
    *(f"{name} {{u}}, {{u}}, {{r}}, {{r}}" for name in ("smlald", "smlaldx", "smlsld", "smlsldx")),
    *(f"{name} {{r}}, {{r}}, {{r}}" for name in ("smmul", "smmulr")),
    *(f"{name} {{r}}, {{r}}, {{r}}, {{r}}" for name in ("smmla", "smmlar", "smmls", "smmlsr")),
    *(f"{name} {{r}}, {{r}}, {{r}}" for name in ("qadd", "qsub", "qdadd", "qdsub")),
    "ssat {r}, #{i:1:32}, {r}, lsl #{i:0:31}",
    "ssat {r}, #{i:1:32}, {r}, asr #{i:1:31}",
    "usat {r}, #{i:0:31}, {r}, lsl #{i:0:31}",
    "usat {r}, #{i:0:31}, {r}, asr #{i:1:31}",
    "ssat16 {r}, #{i:1:16}, {r}",
    "usat16 {r}, #{i:0:15}, {r}",
    *(f"{name} {{r}}, {{r}}, {{r}}" for name in PARALLEL),
    *(f"{name} {{r}}, {{r}}, {{r}}\nsel {{r}}, {{r}}, {{r}}" for name in PARALLEL if name[0] != "q"),
    "sel {r}, {r}, {r}",
    "usad8 {r}, {r}, {r}",
    "usada8 {r}, {r}, {r}, {r}",
)
