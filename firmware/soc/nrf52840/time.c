/* Time from RTC1 at 32768 Hz. The counter has 24 bits (512 s); the overflow interrupt carries it
 * on, and a reader that comes before the interrupt looks at the event itself. */
#include "soc/time.h"

#include "soc/cpu.h"
#include "soc/nrf52840/nrf52840.h"

#define COUNTER_BITS 24u
#define COUNTER_MASK 0x00FFFFFFu
#define TICKS_PER_SECOND 32768u

/* COMPARE needs the counter to be at least two ticks away from the compare value (product
 * specification, RTC). */
#define COMPARE_MARGIN 3u

static volatile uint32_t overflows;

void RTC1_IRQHandler(void);

void RTC1_IRQHandler(void) {
    if (RTC1_EVENTS_OVRFLW != 0u) {
        RTC1_EVENTS_OVRFLW = 0u;
        overflows++;
    }
    RTC1_EVENTS_COMPARE0 = 0u;
    (void)RTC1_EVENTS_COMPARE0; /* the write must have reached the peripheral before the interrupt
                                   returns */
}

void time_init(void) {
    if ((CLOCK_LFCLKSTAT & CLOCK_LFCLKSTAT_STATE_RUNNING) == 0u) {
        /* The RC oscillator starts in a fraction of a millisecond, and every board has it. */
        CLOCK_LFCLKSRC = CLOCK_LFCLKSRC_RC;
        CLOCK_EVENTS_LFCLKSTARTED = 0u;
        CLOCK_TASKS_LFCLKSTART = 1u;
        while (CLOCK_EVENTS_LFCLKSTARTED == 0u) {
        }
    }
    RTC1_TASKS_STOP = 1u;
    RTC1_TASKS_CLEAR = 1u;
    RTC1_PRESCALER = 0u;
    overflows = 0u;
    RTC1_EVENTS_OVRFLW = 0u;
    RTC1_EVENTS_COMPARE0 = 0u;
    RTC1_INTENSET = RTC_INT_OVRFLW;
    cpu_interrupt_enable(IRQ_RTC1, 3u);
    RTC1_TASKS_START = 1u;
}

void time_stop(void) {
    RTC1_INTENCLR = RTC_INT_OVRFLW | RTC_INT_COMPARE0;
    RTC1_EVTENCLR = RTC_INT_OVRFLW | RTC_INT_COMPARE0;
    RTC1_TASKS_STOP = 1u;
    RTC1_TASKS_CLEAR = 1u;
    RTC1_EVENTS_OVRFLW = 0u;
    RTC1_EVENTS_COMPARE0 = 0u;
}

uint64_t time_ticks(void) {
    const uint32_t mask = cpu_interrupts_mask();
    uint32_t high = overflows;
    uint32_t low = RTC1_COUNTER & COUNTER_MASK;
    if (RTC1_EVENTS_OVRFLW != 0u) {
        high++;
        low = RTC1_COUNTER & COUNTER_MASK;
    }
    cpu_interrupts_restore(mask);
    return ((uint64_t)high << COUNTER_BITS) | low;
}

uint32_t time_ms(void) {
    return (uint32_t)((time_ticks() * 1000u) / TICKS_PER_SECOND);
}

void time_idle_until(uint32_t at_ms) {
    const int32_t left_ms = (int32_t)(at_ms - time_ms());
    if (left_ms <= 0) {
        return;
    }
    /* Half the counter's range at most: the caller's loop comes round again. */
    const uint32_t bounded_ms = ((uint32_t)left_ms < 200000u) ? (uint32_t)left_ms : 200000u;
    uint32_t ticks = (uint32_t)(((uint64_t)bounded_ms * TICKS_PER_SECOND + 999u) / 1000u);
    if (ticks < COMPARE_MARGIN) {
        ticks = COMPARE_MARGIN;
    }
    RTC1_EVENTS_COMPARE0 = 0u;
    RTC1_CC0 = (RTC1_COUNTER + ticks) & COUNTER_MASK;
    RTC1_INTENSET = RTC_INT_COMPARE0;
    cpu_sleep();
    RTC1_INTENCLR = RTC_INT_COMPARE0;
}

void time_sleep_ms(uint32_t duration_ms) {
    const uint32_t at_ms = time_ms() + duration_ms;
    while ((int32_t)(at_ms - time_ms()) > 0) {
        const uint32_t mask = cpu_interrupts_mask();
        time_idle_until(at_ms);
        cpu_interrupts_restore(mask);
    }
}
