/* What is to be done with the two slots of an image before it is started. */
#ifndef BOOT_UPGRADE_H
#define BOOT_UPGRADE_H

#include "boot/boot_info.h"
#include "boot/image.h"
#include "boot/provision.h"

/* Finishes a swap under way, carries out a request, reverts an unconfirmed image; then validates
 * the primary slot. `info` receives what was done and why something was refused. True: `image` may
 * be started. */
bool upgrade_run(const struct provisioning *page, struct boot_image_info *info,
                 struct image *image);

#endif
