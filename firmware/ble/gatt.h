/* The attribute table a GATT server is made of (Core Specification 5.4, Vol 3, Part F section 3.2
 * and Part G). */
#ifndef BLE_GATT_H
#define BLE_GATT_H

#include <stdint.h>

/* Attribute types of Part G, section 3, and Assigned Numbers. */
#define GATT_PRIMARY_SERVICE 0x2800
#define GATT_SECONDARY_SERVICE 0x2801
#define GATT_CHARACTERISTIC 0x2803
#define GATT_CLIENT_CONFIGURATION 0x2902

/* Characteristic properties, Part G, section 3.3.1.1. */
#define GATT_PROPERTY_READ 0x02
#define GATT_PROPERTY_WRITE_WITHOUT_RESPONSE 0x04
#define GATT_PROPERTY_WRITE 0x08
#define GATT_PROPERTY_NOTIFY 0x10

#define GATT_NOTIFY 0x0001 /* client characteristic configuration */

#define GATT_VALUE_MAX 512 /* Part F, section 3.2.9 */

enum gatt_kind {
    GATT_CONSTANT,      /* `value` and `length`, read only */
    GATT_DYNAMIC,       /* `read` and `write`; NULL where not permitted */
    GATT_CONFIGURATION, /* client characteristic configuration, kept by the ATT server for each
                           connection */
};

struct gatt_attribute {
    uint8_t type[16];    /* little-endian; 2 bytes used for a 16-bit UUID */
    uint8_t type_length; /* 2 or 16 */
    uint8_t kind;
    uint16_t length; /* of `value` */
    const uint8_t *value;
    /* Fills `to` (room for GATT_VALUE_MAX) and returns the length. */
    uint16_t (*read)(uint8_t *to);
    /* Takes a value written (at most the ATT MTU less 3 bytes). Returns an ATT error code, 0 for
     * success. */
    uint8_t (*write)(const uint8_t *value, uint16_t length);
};

/* The device's table: handle h is entry h - 1. Every characteristic value directly follows its
 * declaration, and a configuration descriptor directly follows the value it configures. */
extern const struct gatt_attribute gatt_table[];
extern const uint16_t gatt_table_length;

#endif
