"""Driver-like programs on the emulated CPU: the peripherals as firmware uses them."""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import Board
from tests.virtual.soc.program import compile_program

RESULT = 0x2003_0000

LIBRARY = """
#define RESULT ((volatile uint32_t *)0x20030000)
#define P(base, offset) R((base) + (offset))
static void wait(uint32_t address) { while (!R(address)) ; R(address) = 0; }
"""

ECHO = """
static volatile uint32_t received;
void Irq2(void) {
    while (P(0x40002000, 0x108)) {
        P(0x40002000, 0x108) = 0;
        uint32_t byte = P(0x40002000, 0x518);
        received++;
        P(0x40002000, 0x51C) = byte ^ 0x20;
    }
}
void main(void) {
    P(0x50000000, 0x518) = 1 << 6;
    P(0x40002000, 0x50C) = 6;
    P(0x40002000, 0x514) = 8;
    P(0x40002000, 0x524) = 0x01D7E000;
    P(0x40002000, 0x304) = 1 << 2;
    P(0x40002000, 0x500) = 4;
    R(0xE000E100) = 1 << 2;
    P(0x40002000, 0x000) = 1;
    P(0x40002000, 0x008) = 1;
    while (received < 5) ASM("wfi");
    while (!P(0x40002000, 0x11C)) ;
    RESULT[0] = received;
}
"""

FLASH_AND_CRYPTO = """
static uint8_t block[48] __attribute__((aligned(4)));
static uint32_t out[64], in[64];
static const uint32_t pins[6][2] = {
    {0x524, 19}, {0x528, 17}, {0x530, 20}, {0x534, 21}, {0x538, 22}, {0x53C, 23}};
static uint32_t instruct(uint32_t code, uint32_t length, uint32_t flags) {
    P(0x40029000, 0x100) = 0;
    P(0x40029000, 0x634) = code | length << 8 | 3 << 12 | flags;
    wait(0x40029100);
    return P(0x40029000, 0x638);
}
void main(void) {
    for (int i = 0; i < 16; i++) { block[i] = i; block[16 + i] = i << 4 | i; }
    P(0x4000E000, 0x504) = (uint32_t)block;
    P(0x4000E000, 0x000) = 1;
    wait(0x4000E100);
    RESULT[0] = *(uint32_t *)(block + 32);

    for (int i = 0; i < 6; i++) P(0x40029000, pins[i][0]) = pins[i][1];
    P(0x40029000, 0x544) = 4 | 3 << 3;
    P(0x40029000, 0x600) = 0x80;
    P(0x40029000, 0x500) = 1;
    P(0x40029000, 0x000) = 1;
    wait(0x40029100);
    RESULT[1] = instruct(0x9F, 4, 1 << 14) & 0xFFFFFF;
    P(0x40029000, 0x638) = 0x40;
    instruct(0x01, 2, 3 << 14);
    P(0x40029000, 0x51C) = 0x2000;
    P(0x40029000, 0x00C) = 1;
    wait(0x40029100);
    do instruct(0x05, 2, 0); while (P(0x40029000, 0x638) & 1);
    for (int i = 0; i < 64; i++) out[i] = i * 0x01010101;
    P(0x40029000, 0x510) = 0x2000;
    P(0x40029000, 0x514) = (uint32_t)out;
    P(0x40029000, 0x518) = sizeof(out);
    P(0x40029000, 0x008) = 1;
    wait(0x40029100);
    P(0x40029000, 0x504) = 0x2000;
    P(0x40029000, 0x508) = (uint32_t)in;
    P(0x40029000, 0x50C) = sizeof(in);
    P(0x40029000, 0x004) = 1;
    wait(0x40029100);
    RESULT[2] = 0;
    for (int i = 0; i < 64; i++) RESULT[2] += in[i] == out[i];
}
"""

BUSES = """
static uint8_t in[4];
void main(void) {
    P(0x40003000, 0x508) = 27; P(0x40003000, 0x50C) = 26; P(0x40003000, 0x524) = 0x06400000;
    P(0x40003000, 0x588) = 0x50;
    P(0x40003000, 0x500) = 6;
    P(0x40003000, 0x008) = 1;
    wait(0x40003124);
    RESULT[0] = P(0x40003000, 0x4C4);
    P(0x40003000, 0x020) = 1; P(0x40003000, 0x014) = 1;
    wait(0x40003104);
    P(0x40003000, 0x500) = 0;

    P(0x50000000, 0x700 + 4 * 28) = 3 << 2;
    P(0x40003000, 0x508) = 27; P(0x40003000, 0x50C) = 26; P(0x40003000, 0x510) = 28;
    P(0x40003000, 0x524) = 0x80000000;
    P(0x40003000, 0x534) = (uint32_t)in; P(0x40003000, 0x538) = 4; P(0x40003000, 0x548) = 0;
    P(0x40003000, 0x500) = 7;
    P(0x40003000, 0x010) = 1;
    wait(0x40003118);
    RESULT[1] = *(uint32_t *)in;
    RESULT[2] = P(0x40003000, 0x53C);
}
"""


def _board(source: str) -> Board:
    board = Board()
    board.soc.memory.write(0, compile_program(LIBRARY + source))
    board.kit.rail.set_voltage(0.0)
    board.run(TICKS_PER_MS)
    board.kit.rail.set_voltage(3.0)
    board.run(2 * TICKS_PER_MS)
    return board


def _results(board: Board, count: int) -> list[int]:
    assert board.soc.cpu.sleeping  # the program has ended
    assert board.soc.bus.noted() == {}
    return [board.read(RESULT + 4 * index) for index in range(count)]


def test_an_interrupt_driven_echo_over_the_uart() -> None:
    board = _board(ECHO)
    board.kit.console.send(b"hello")
    board.run(2 * TICKS_PER_MS)
    assert bytes(board.far.data) == b"HELLO"
    assert _results(board, 1) == [5]


def test_a_block_cipher_and_a_serial_flash() -> None:
    board = _board(FLASH_AND_CRYPTO)
    board.run(120 * TICKS_PER_MS)
    assert _results(board, 3) == [0xD8E0_C469, 0x1728C2, 64]
    assert board.soc.external_flash.read(0x2000, 8).hex() == "0000000001010101"


def test_two_wire_and_spi_in_turn_on_one_block() -> None:
    board = _board(BUSES)
    board.run(2 * TICKS_PER_MS)
    assert _results(board, 3) == [2, 0xFFFF_FFFF, 4]
