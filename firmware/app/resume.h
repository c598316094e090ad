/* The state of an upload, kept in the two settings pages, so that it goes on after a reboot or a
 * power cut. */
#ifndef APP_RESUME_H
#define APP_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include "soc/flash.h"

/* In the place of a length: the slot is being changed by what cannot be gone on with, an erase or
 * an upload without a hash. The record says only that a power cut may have left the slot half
 * erased. */
#define RESUME_NAMELESS 0u

struct resume {
    uint32_t image;
    uint32_t length;     /* of the whole upload, or RESUME_NAMELESS */
    uint8_t sha[32];     /* by which the client names it */
    uint32_t pages_done; /* whole flash pages written and read back */
};

/* Reads what is under way. Returns false where nothing is. */
bool resume_load(struct resume *state);

/* Erases the page for the next record ahead, so that resume_begin() need not. */
enum flash_result resume_prepare(void);

/* Begins a new one (pages_done 0); the former is forgotten once this one is safe. */
enum flash_result resume_begin(const struct resume *state);

/* Notes that one more page is done: `pages_done` counts it. */
enum flash_result resume_advance(uint32_t pages_done);

/* Forgets the record: the upload, or the erase, is complete. */
enum flash_result resume_forget(void);

/* Begins `state` and leaves nothing of the record before: what a factory reset does. */
enum flash_result resume_reset(const struct resume *state);

/* Proves that the settings pages can be used: makes the unused one blank. */
bool resume_check(void);

#endif
