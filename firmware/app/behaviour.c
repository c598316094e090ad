#include "behaviour.h"

#include <stdint.h>

#include "log.h"
#include "slots.h"
#include "soc/attack.h"
#include "soc/cpu.h"
#include "terminal.h"

/* The same numbers as hil/image/variants.py. */
#define MAGIC 0x564C4948u /* "HILV" */
#define NORMAL 0u
#define NEVER_CONFIRM 1u
#define HANG 2u
#define FAULT 3u
#define RESET 4u
#define HOSTILE 5u
#define BAD_RAM 6u
#define FAULT_CONFIRMED 7u

struct descriptor {
    uint32_t magic;
    uint32_t behaviour;
    uint32_t attack; /* enum attack */
};

/* Volatile: its words change after the compiler has seen them. */
__attribute__((section(".behaviour"), used))
const volatile struct descriptor descriptor = {MAGIC, NORMAL, 0};

static const char *const attack_names[ATTACK_COUNT] = {
    [ATTACK_NONE] = "none",
    [ATTACK_WORD_WRITE] = "word write",
    [ATTACK_PAGE_ERASE] = "page erase",
    [ATTACK_PARTIAL_ERASE] = "partial page erase",
    [ATTACK_ERASE_ALL] = "ERASEALL",
    [ATTACK_REWRITE_ACL] = "rewrite of the ACL, then word write",
    [ATTACK_UICR_WRITE] = "UICR write",
    [ATTACK_DMA_INTO_FLASH] = "EasyDMA into flash",
    [ATTACK_DMA_OUT_OF_FLASH] = "EasyDMA out of flash",
};

static void report(const char *target, const struct attack_outcome *outcome) {
    log_pair("attack on", target);
    log_number("attack faults:", outcome->faults);
    log_hexadecimal("attack fault status:", outcome->fault_status);
    log_text(outcome->changed ? "attack CHANGED the target" : "attack left the target as it was");
    terminal_flush();
}

static void attack(uint32_t number) {
    struct attack_outcome outcome;

    if (number >= ATTACK_COUNT) {
        log_number("no such attack:", number);
        return;
    }
    log_pair("hostile:", attack_names[number]);
    terminal_flush();
    outcome = attack_run((enum attack)number, ATTACK_ON_BOOTLOADER);
    report("the bootloader", &outcome);
    outcome = attack_run((enum attack)number, ATTACK_ON_PROVISIONING);
    report("the provisioning page", &outcome);
}

/* Writes downwards from the stack, as a recursion without an end does, over all there is and out of
 * the RAM. */
static _Noreturn void overrun_ram(void) {
    volatile uint32_t *word = (volatile uint32_t *)__builtin_frame_address(0);

    for (;;) {
        *--word = 0xDEADBEEFu;
    }
}

void behaviour_at_start(void) {
    switch (descriptor.behaviour) {
    case HANG:
        log_text("variant: hangs");
        terminal_flush();
        for (;;) {
        }
    case FAULT:
        log_text("variant: faults");
        terminal_flush();
        __builtin_trap();
    case RESET:
        log_text("variant: resets");
        terminal_flush();
        cpu_reset();
    case BAD_RAM:
        log_text("variant: overruns its RAM");
        terminal_flush();
        overrun_ram();
    case FAULT_CONFIRMED:
        if (slot_next_swap() == SLOT_SWAP_REVERT) {
            log_text("variant: faults once it is confirmed");
            return;
        }
        log_text("variant: faults");
        terminal_flush();
        __builtin_trap();
    case HOSTILE:
        attack(descriptor.attack);
        return;
    case NEVER_CONFIRM:
        log_text("variant: never confirms");
        return;
    default:
        return;
    }
}

bool behaviour_may_confirm(void) {
    return descriptor.behaviour != NEVER_CONFIRM && descriptor.behaviour != HOSTILE;
}
