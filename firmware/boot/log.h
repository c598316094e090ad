/* Console lines in a tester's words, "boot: image 0 version 1.2.3 refused: signature". */
#ifndef BOOT_LOG_H
#define BOOT_LOG_H

#include <stdint.h>

#include "boot/boot_info.h"

/* A line is put together piece by piece and sent by log_end(). What does not fit 120 characters is
 * cut off. */
void log_begin(const char *text);
void log_image(uint32_t image_number);
void log_text(const char *text);
void log_number(uint32_t number);
void log_version(const struct boot_version *version);
void log_end(void);

const char *log_refusal_name(enum boot_refusal refusal);
const char *log_swap_name(enum boot_swap swap);

#endif
