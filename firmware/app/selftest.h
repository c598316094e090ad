/* The self-test that an image on trial has to pass before it confirms itself. */
#ifndef APP_SELFTEST_H
#define APP_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

/* `may_confirm` false: for the variant that never confirms. Nothing is tested where the image is
 * confirmed already. */
void selftest_init(bool may_confirm, uint32_t now_ms);

/* Goes on with the test. An image that fails it resets the device, and the bootloader puts the
 * former one back. */
void selftest_poll(uint32_t now_ms);

/* Whether selftest_poll() has something to do right now, and does not wait for anything outside. */
bool selftest_wants_time(void);

#endif
