/* Numbers and versions as text; there is no printf on the device. */
#ifndef APP_TEXT_H
#define APP_TEXT_H

#include <stdint.h>

#include "boot/boot_info.h"

#define TEXT_NUMBER_MAX 11  /* 10 digits and the end */
#define TEXT_VERSION_MAX 32 /* "255.255.65535.4294967295" and the end */

/* Each writes a text that ends with zero, and returns where that zero is. */
char *text_decimal(char *to, uint32_t value);
char *text_hexadecimal(char *to, uint32_t value); /* eight digits */

/* "major.minor.revision", and ".build" unless it is 0, as Zephyr's image management writes it. */
char *text_version(char *to, const struct boot_version *version);

#endif
