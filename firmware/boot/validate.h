/* Whether an image may run here, and whether it may replace the installed one. */
#ifndef BOOT_VALIDATE_H
#define BOOT_VALIDATE_H

#include "boot/encrypted.h"
#include "boot/image.h"
#include "boot/provision.h"

/* Hash, key, signature, hardware, security counter and entry point. `image` comes from
 * image_read(). `cipher`, when not NULL, receives the image's cipher; `security_counter`, when not
 * NULL, its counter. */
enum boot_refusal validate_image(const struct image *image, const struct provisioning *page,
                                 struct cipher *cipher, uint32_t *security_counter);

/* What an update needs besides: a version strictly greater than the installed one, and its
 * dependencies. `installed` is NULL when the primary slot holds no valid image. */
enum boot_refusal validate_update(const struct image *update, const struct image *installed);

#endif
