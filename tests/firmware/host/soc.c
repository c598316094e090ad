/* Stands in for soc/ when the application runs on the computer that tests it: the flash is memory
 * mapped at the device's own addresses, the UARTs are queues the test fills and empties, time is
 * what the test says. */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "app/device.h"
#include "crypto/crypto.h"
#include "soc/attack.h"
#include "soc/cpu.h"
#include "soc/device.h"
#include "soc/flash.h"
#include "soc/power.h"
#include "soc/time.h"
#include "soc/uarte.h"

#define QUEUE 65536u

struct queue {
    uint8_t bytes[QUEUE];
    size_t length;
    size_t taken;
};

static struct queue input[UARTE_COUNT];
static struct queue output[UARTE_COUNT];
static void (*on_received)(void);
static uint8_t *wanted_at;
static size_t wanted;
static size_t got;

static uint32_t now_ms;
static uint32_t supply_mv = 3000;
static bool supply_warns;
static uint32_t flash_operations;
static uint32_t flash_stops_after = UINT32_MAX;
static uint32_t page_erases[FLASH_SIZE / FLASH_PAGE_SIZE];
static void (*sha256)(const void *data, uint32_t length, uint8_t digest[32]);
static sigjmp_buf way_out;

enum { STOP_RESET = 1, STOP_POWER_CUT = 2, STOP_CRASH = 3 };

/* For the test, by ctypes. */

void host_set_sha256(void (*function)(const void *, uint32_t, uint8_t[32])) {
    sha256 = function;
}

void host_set_supply(uint32_t millivolts, bool warns) {
    supply_mv = millivolts;
    supply_warns = warns;
}

void host_cut_after(uint32_t operations) {
    flash_stops_after = operations == UINT32_MAX ? UINT32_MAX : flash_operations + operations;
}

uint32_t host_page_erases(uint32_t address) {
    return page_erases[address / FLASH_PAGE_SIZE];
}

uint32_t host_flash_operations(void) {
    return flash_operations;
}

static void put(struct queue *queue, const uint8_t *bytes, size_t length) {
    if (queue->taken == queue->length) {
        queue->taken = 0;
        queue->length = 0;
    }
    if (length > QUEUE - queue->length) {
        length = QUEUE - queue->length;
    }
    memcpy(&queue->bytes[queue->length], bytes, length);
    queue->length += length;
}

void host_input(uint32_t port, const uint8_t *bytes, size_t length) {
    put(&input[port], bytes, length);
}

size_t host_output(uint32_t port, uint8_t *to, size_t size) {
    struct queue *queue = &output[port];
    size_t length = queue->length - queue->taken;

    length = length < size ? length : size;
    memcpy(to, &queue->bytes[queue->taken], length);
    queue->taken += length;
    return length;
}

static void crashed(int number) {
    (void)number;
    siglongjmp(way_out, STOP_CRASH);
}

static void pump(void) {
    struct queue *queue = &input[UARTE_HCI];

    while (wanted > 0 && queue->taken < queue->length) {
        size_t part = queue->length - queue->taken;

        part = part < wanted - got ? part : wanted - got;
        memcpy(&wanted_at[got], &queue->bytes[queue->taken], part);
        queue->taken += part;
        got += part;
        if (got == wanted) {
            wanted = 0;
            on_received();
        }
    }
}

/* Runs the application until it has nothing to do, at most `polls` times, at this time. Returns 0,
 * or why it stopped. */
int host_run(bool open, uint32_t at_ms, uint32_t polls) {
    int stopped = sigsetjmp(way_out, 1);

    if (stopped != 0) {
        return stopped;
    }
    signal(SIGILL, crashed);
    signal(SIGTRAP, crashed);
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    now_ms = at_ms;
    if (open) {
        device_open(at_ms);
    }
    for (uint32_t i = 0; i < polls; i++) {
        pump();
        device_poll(at_ms);
        pump();
        if (i > 2 && !device_has_work()) {
            return 0;
        }
    }
    return 0;
}

/* soc/uarte.h */

void uarte_open(enum uarte port, void (*received)(void)) {
    if (port == UARTE_HCI) {
        on_received = received;
    }
}

void uarte_receive(enum uarte port, uint8_t *buffer, size_t length) {
    (void)port;
    wanted_at = buffer;
    wanted = length;
    got = 0;
}

void uarte_receive_stop(enum uarte port) {
    (void)port;
    wanted = 0;
}

void uarte_receive_stream(enum uarte port, uint8_t *buffer, size_t half) {
    (void)port;
    (void)buffer;
    (void)half;
}

size_t uarte_read(enum uarte port, uint8_t *to, size_t size) {
    struct queue *queue = &input[port];
    size_t length = queue->length - queue->taken;

    length = length < size ? length : size;
    memcpy(to, &queue->bytes[queue->taken], length);
    queue->taken += length;
    return length;
}

bool uarte_has_input(enum uarte port) {
    return input[port].taken < input[port].length;
}

bool uarte_send(enum uarte port, const uint8_t *bytes, size_t length) {
    put(&output[port], bytes, length);
    return true;
}

bool uarte_sending(enum uarte port) {
    (void)port;
    return false;
}

void uarte_send_blocking(enum uarte port, const uint8_t *bytes, size_t length) {
    put(&output[port], bytes, length);
}

void uarte_interrupt_disable(enum uarte port) {
    (void)port;
}

void uarte_interrupt_enable(enum uarte port) {
    (void)port;
}

/* soc/flash.h: only clears bits, counts operations, and can lose its power before one. */

static bool operation(void) {
    if (flash_operations >= flash_stops_after) {
        siglongjmp(way_out, STOP_POWER_CUT);
    }
    if (supply_warns) {
        return false;
    }
    flash_operations++;
    return true;
}

enum flash_result flash_write(uint32_t address, const void *data, uint32_t length) {
    if (address % 4 != 0 || length % 4 != 0 || address < 0x12000 || length > FLASH_SIZE - address) {
        return FLASH_BAD_RANGE;
    }
    for (uint32_t i = 0; i < length; i += 4) {
        uint32_t *word = (uint32_t *)(uintptr_t)(address + i);
        uint32_t value;

        memcpy(&value, (const uint8_t *)data + i, 4);
        if (*word == value) {
            continue;
        }
        if (!operation()) {
            return FLASH_POWER_LOW;
        }
        *word &= value;
        if (*word != value) {
            return FLASH_BAD_READBACK;
        }
    }
    return FLASH_OK;
}

enum flash_result flash_rewrite(uint32_t address, const void *data, uint32_t length) {
    return flash_write(address, data, length);
}

enum flash_result flash_erase_page(uint32_t address) {
    if (address % FLASH_PAGE_SIZE != 0 || address < 0x12000 || address >= FLASH_SIZE) {
        return FLASH_BAD_RANGE;
    }
    if (!operation()) {
        return FLASH_POWER_LOW;
    }
    memset((void *)(uintptr_t)address, 0xFF, FLASH_PAGE_SIZE);
    page_erases[address / FLASH_PAGE_SIZE]++;
    return FLASH_OK;
}

bool flash_is_erased(uint32_t address, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        if (((const uint8_t *)(uintptr_t)address)[i] != 0xFF) {
            return false;
        }
    }
    return true;
}

/* The rest. */

_Noreturn void cpu_reset(void) {
    siglongjmp(way_out, STOP_RESET);
}

void power_fail_warning_enable(void) {
}

bool power_has_recovered(void) {
    return false;
}

uint32_t power_supply_mv(void) {
    return supply_mv;
}

uint32_t power_battery_percent(uint32_t supply, uint32_t empty, uint32_t full) {
    return supply <= empty ? 0 : supply >= full ? 100 : (supply - empty) * 100 / (full - empty);
}

uint32_t time_ms(void) {
    return now_ms;
}

void device_address(uint8_t address[6]) {
    static const uint8_t fixed[6] = {1, 2, 3, 4, 5, 0xC6};

    memcpy(address, fixed, sizeof(fixed));
}

struct attack_outcome attack_run(enum attack attack, enum attack_target target) {
    (void)attack;
    (void)target;
    return (struct attack_outcome){0};
}

void crypto_sha256_init(struct crypto_sha256 *context) {
    memset(context, 0, sizeof(*context));
}

void crypto_sha256_update(struct crypto_sha256 *context, const void *data, uint32_t length) {
    context->state[0] = (uint64_t)(uintptr_t)data;
    context->state[1] = length;
}

void crypto_sha256_final(struct crypto_sha256 *context, uint8_t digest[CRYPTO_SHA256_SIZE]) {
    sha256((const void *)(uintptr_t)context->state[0], (uint32_t)context->state[1], digest);
}
