/* What a hostile application would try against the bootloader, with every means the chip gives it.
 * Part of the test variants only: the shipped image never calls it. */
#ifndef SOC_ATTACK_H
#define SOC_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

enum attack {
    ATTACK_NONE,
    ATTACK_WORD_WRITE,
    ATTACK_PAGE_ERASE,
    ATTACK_PARTIAL_ERASE,
    ATTACK_ERASE_ALL,
    ATTACK_REWRITE_ACL,
    ATTACK_UICR_WRITE,
    ATTACK_DMA_INTO_FLASH,
    ATTACK_DMA_OUT_OF_FLASH,
    ATTACK_COUNT,
};

enum attack_target {
    ATTACK_ON_BOOTLOADER,
    ATTACK_ON_PROVISIONING,
};

struct attack_outcome {
    uint32_t faults;       /* bus faults the attempt caused */
    uint32_t fault_status; /* CFSR of the last of them */
    bool changed;          /* the target's page reads otherwise than before */
};

/* Tries once and tells what came of it. A fault is survived: the instruction that caused it is
 * passed over. */
struct attack_outcome attack_run(enum attack attack, enum attack_target target);

/* For the fault handler: whether the fault belongs to an attack under way. Then the frame is made
 * to go on behind it. */
bool attack_absorbs_fault(uint32_t *frame, uint32_t fault_status);

#endif
