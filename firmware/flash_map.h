/* The flash map of the bundled device: nRF52840, 1 MiB in pages of 4096 bytes.
 * The rig files repeat the slots for the host side. */
#ifndef FLASH_MAP_H
#define FLASH_MAP_H

#define FLASH_MAP_PAGE_SIZE 0x1000u

#define FLASH_MAP_BOOT_START 0x00000u
#define FLASH_MAP_BOOT_SIZE 0x10000u
#define FLASH_MAP_PROVISIONING_START 0x10000u
#define FLASH_MAP_PROVISIONING_SIZE 0x01000u
/* The highest security counter that was ever confirmed; written by the bootloader alone. */
#define FLASH_MAP_COUNTER_START 0x11000u
#define FLASH_MAP_COUNTER_SIZE 0x01000u
/* What the bootloader locks before it jumps: itself and the two pages that follow it. */
#define FLASH_MAP_LOCKED_START FLASH_MAP_BOOT_START
#define FLASH_MAP_LOCKED_END (FLASH_MAP_COUNTER_START + FLASH_MAP_COUNTER_SIZE)

#define FLASH_MAP_PRIMARY_START 0x12000u
#define FLASH_MAP_PRIMARY_SIZE 0x73000u
/* Swap-offset: one page more than the primary slot, and the update lies from the second page on. */
#define FLASH_MAP_SECONDARY_START 0x85000u
#define FLASH_MAP_SECONDARY_SIZE 0x74000u
#define FLASH_MAP_SECONDARY_UPDATE_OFFSET FLASH_MAP_PAGE_SIZE
/* The last page of each slot holds the trailer; an image, with its TLVs, may fill what is left. */
#define FLASH_MAP_IMAGE_SIZE_MAX (FLASH_MAP_PRIMARY_SIZE - FLASH_MAP_PAGE_SIZE)

#define FLASH_MAP_SETTINGS_START 0xF9000u
#define FLASH_MAP_SETTINGS_SIZE 0x02000u

#define FLASH_MAP_APP_HEADER_SIZE 0x200u

#define FLASH_MAP_RAM_START 0x20000000u
#define FLASH_MAP_BOOT_INFO_START 0x2003FF00u
#define FLASH_MAP_BOOT_INFO_SIZE 0x100u

#endif
