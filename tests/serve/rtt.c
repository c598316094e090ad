/* Writes a line into an RTT up-buffer every millisecond, echoes the down-buffer, and keeps
 * something to look at in a debugger: `counter`, `step` and `Tick_Count`. Layout of the control
 * block: SEGGER's RTT, which pyOCD looks for in RAM by its identifier. */
#include <stdint.h>

#define R(a) (*(volatile uint32_t *)(a))

struct ring {
    const char *name;
    uint8_t *data;
    uint32_t size;
    volatile uint32_t write, read;
    uint32_t flags;
};

static struct {
    volatile char id[16];
    int32_t ups, downs;
    struct ring up, down;
} control;

static uint8_t up_data[256], down_data[64];
volatile uint32_t counter;

static void put(char c) {
    uint32_t next = (control.up.write + 1) % control.up.size;
    if (next == control.up.read)
        return;
    up_data[control.up.write] = (uint8_t)c;
    control.up.write = next;
}

__attribute__((noinline)) void say(const char *text, uint32_t number) {
    while (*text)
        put(*text++);
    char digits[10];
    int n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (n)
        put(digits[--n]);
    put('\n');
}

__attribute__((noinline)) void step(void) {
    counter++;
    if (counter % 64 == 0)
        say("count ", counter);
    while (control.down.read != control.down.write) {
        put((char)down_data[control.down.read]);
        control.down.read = (control.down.read + 1) % control.down.size;
    }
}

int main(void) {
    control.up = (struct ring){"Terminal", up_data, sizeof up_data, 0, 0, 0};
    control.down = (struct ring){"Terminal", down_data, sizeof down_data, 0, 0, 0};
    control.ups = control.downs = 1;
    static const char id[] =
        "TTR REGGES"; /* backwards, so that it is found once it is whole, and in RAM */
    for (int i = 0; i < 10; i++)
        control.id[i] = id[9 - i];
    R(0xE000E014) = 64000 - 1; /* SysTick: 1 ms */
    R(0xE000E018) = 0;
    R(0xE000E010) = 7;
    for (;;) {
        __asm__ volatile("wfi");
        step();
    }
}

volatile uint32_t Tick_Count;
void SysTick_Handler(void) {
    Tick_Count++;
}

void *memcpy(void *d, const void *s, unsigned n) {
    uint8_t *p = d;
    const uint8_t *q = s;
    while (n--) {
        *p++ = *q++;
        __asm__("");
    }
    return d;
}

extern uint32_t bss_start, bss_end;
void Reset_Handler(void) {
    for (volatile uint32_t *p = &bss_start; p < &bss_end; p++)
        *p = 0;
    main();
}
static void Unexpected(void) {
    for (;;)
        ;
}
__attribute__((section(".vectors"), used)) void (*const vectors[64])(void) = {
    (void (*)(void))0x20010000,
    Reset_Handler,
    Unexpected,
    Unexpected,
    Unexpected,
    Unexpected,
    Unexpected,
    0,
    0,
    0,
    0,
    Unexpected,
    Unexpected,
    0,
    Unexpected,
    SysTick_Handler};
