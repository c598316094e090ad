/* What entry and return of exceptions and the floating-point state have in common: the stack. */
#ifndef HIL_FRAME_H
#define HIL_FRAME_H

#include "core.h"

static inline uint64_t bit(uint32_t n) {
    return 1ull << n;
}

static inline void store(uint8_t *at, uint32_t value) {
    __builtin_memcpy(at, &value, 4);
}

static inline uint32_t load(const uint8_t *at) {
    uint32_t value;
    __builtin_memcpy(&value, at, 4);
    return value;
}

uint8_t *core_stack(struct core *c, uint32_t address, uint32_t length, uint32_t right,
                    uint32_t view, uint32_t memory, uint32_t bus, uint32_t *fault);
void core_stack_fault(struct core *c, uint32_t bits);
int core_group(const struct core *c, uint32_t n);
int core_priority(struct core *c, bool with_primask);
void core_store_float(struct core *c, uint8_t *to);
void core_reserve_float(struct core *c, uint32_t at, bool thread, bool privileged);

#endif
