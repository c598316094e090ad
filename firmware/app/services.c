#include "services.h"

#include <string.h>

#include "battery.h"
#include "ble/att.h"
#include "ble/endian.h"
#include "ble/gatt.h"
#include "boot/boot_info.h"
#include "slots.h"
#include "smp_ble.h"
#include "text.h"

/* Assigned Numbers. */
#define GENERIC_ACCESS 0x1800
#define GENERIC_ATTRIBUTE 0x1801
#define DEVICE_INFORMATION 0x180A
#define BATTERY 0x180F
#define DEVICE_NAME 0x2A00
#define APPEARANCE 0x2A01
#define BATTERY_LEVEL 0x2A19
#define MODEL_NUMBER 0x2A24
#define FIRMWARE_REVISION 0x2A26
#define HARDWARE_REVISION 0x2A27
#define MANUFACTURER_NAME 0x2A29

/* 128-bit UUIDs, least significant byte first. */
/* 8D53DC1D-1DB7-4CD3-868B-8A527460AA84 and DA2E7828-FBCE-4E01-AE9E-261174997C48: SMP. */
#define SMP_SERVICE                                                                                \
    0x84, 0xAA, 0x60, 0x74, 0x52, 0x8A, 0x8B, 0x86, 0xD3, 0x4C, 0xB7, 0x1D, 0x1D, 0xDC, 0x53, 0x8D
#define SMP_CHARACTERISTIC                                                                         \
    0x48, 0x7C, 0x99, 0x74, 0x11, 0x26, 0x9E, 0xAE, 0x01, 0x4E, 0xCE, 0xFB, 0x28, 0x78, 0x2E, 0xDA
/* 3AF0xxxx-1F3A-4543-A5A7-1694BB44B848: this project's throughput sink; 0001 service, 0002 data,
 * 0003 counter. */
#define SINK_UUID(number)                                                                          \
    0x48, 0xB8, 0x44, 0xBB, 0x94, 0x16, 0xA7, 0xA5, 0x43, 0x45, 0x3A, 0x1F, (number), 0x00, 0xF0,  \
        0x3A

#define LE16(value) (value) & 0xFF, (value) >> 8
#define VALUE(bytes) .kind = GATT_CONSTANT, .value = (bytes), .length = sizeof(bytes)
#define TEXT(text)                                                                                 \
    .kind = GATT_CONSTANT, .value = (const uint8_t *)(text), .length = sizeof(text) - 1
#define SERVICE(bytes) {.type = {LE16(GATT_PRIMARY_SERVICE)}, .type_length = 2, VALUE(bytes)}
#define DECLARATION(bytes) {.type = {LE16(GATT_CHARACTERISTIC)}, .type_length = 2, VALUE(bytes)}
#define CONFIGURATION                                                                              \
    {.type = {LE16(GATT_CLIENT_CONFIGURATION)}, .type_length = 2, .kind = GATT_CONFIGURATION}
#define TYPE(number) .type = {LE16(number)}, .type_length = 2
#define LONG_TYPE(...) .type = {__VA_ARGS__}, .type_length = 16

/* A characteristic declaration's value: properties, handle of the value, UUID (Part G,
 * section 3.3.1). */
#define DECLARE(name, properties, handle, ...)                                                     \
    static const uint8_t name[] = {(properties), LE16(handle), __VA_ARGS__}

const uint8_t services_smp_uuid[16] = {SMP_SERVICE};

static const uint8_t generic_access[] = {LE16(GENERIC_ACCESS)};
static const uint8_t generic_attribute[] = {LE16(GENERIC_ATTRIBUTE)};
static const uint8_t device_information[] = {LE16(DEVICE_INFORMATION)};
static const uint8_t battery_service[] = {LE16(BATTERY)};
static const uint8_t sink_service[] = {SINK_UUID(1)};
static const uint8_t appearance[] = {0, 0}; /* unknown */

DECLARE(declare_name, GATT_PROPERTY_READ, 3, LE16(DEVICE_NAME));
DECLARE(declare_appearance, GATT_PROPERTY_READ, 5, LE16(APPEARANCE));
DECLARE(declare_manufacturer, GATT_PROPERTY_READ, 9, LE16(MANUFACTURER_NAME));
DECLARE(declare_model, GATT_PROPERTY_READ, 11, LE16(MODEL_NUMBER));
DECLARE(declare_firmware, GATT_PROPERTY_READ, 13, LE16(FIRMWARE_REVISION));
DECLARE(declare_hardware, GATT_PROPERTY_READ, 15, LE16(HARDWARE_REVISION));
DECLARE(declare_battery, GATT_PROPERTY_READ | GATT_PROPERTY_NOTIFY, SERVICES_BATTERY_HANDLE,
        LE16(BATTERY_LEVEL));
DECLARE(declare_smp, GATT_PROPERTY_WRITE_WITHOUT_RESPONSE | GATT_PROPERTY_NOTIFY,
        SERVICES_SMP_HANDLE, SMP_CHARACTERISTIC);
DECLARE(declare_sink, GATT_PROPERTY_WRITE_WITHOUT_RESPONSE | GATT_PROPERTY_WRITE, 26, SINK_UUID(2));
DECLARE(declare_counter, GATT_PROPERTY_READ | GATT_PROPERTY_WRITE, 28, SINK_UUID(3));

static uint32_t sink_bytes;
static uint32_t sink_writes;

static uint16_t read_firmware(uint8_t *to) {
    struct slot_image image;
    char version[TEXT_VERSION_MAX];

    if (!slot_read(0, &image)) {
        return 0; /* started by a debugger, without a header */
    }
    text_version(version, &image.version);
    memcpy(to, version, strlen(version));
    return (uint16_t)strlen(version);
}

static uint16_t read_hardware(uint8_t *to) {
    char revision[TEXT_NUMBER_MAX];

    if (!boot_info_valid(BOOT_INFO)) {
        return 0;
    }
    text_decimal(revision, BOOT_INFO->hardware_revision);
    memcpy(to, revision, strlen(revision));
    return (uint16_t)strlen(revision);
}

static uint16_t read_battery(uint8_t *to) {
    to[0] = battery_percent();
    return 1;
}

static uint8_t write_sink(const uint8_t *value, uint16_t length) {
    (void)value;
    sink_bytes += length;
    sink_writes++;
    return ATT_SUCCESS;
}

/* Bytes and writes counted since the last reset, each 32 bits. */
static uint16_t read_counter(uint8_t *to) {
    put_le32(&to[0], sink_bytes);
    put_le32(&to[4], sink_writes);
    return 8;
}

/* Any write sets both to zero. */
static uint8_t write_counter(const uint8_t *value, uint16_t length) {
    (void)value;
    (void)length;
    sink_bytes = 0;
    sink_writes = 0;
    return ATT_SUCCESS;
}

/* The comment before each line is the handle. */
const struct gatt_attribute gatt_table[] = {
    /* 1 */ SERVICE(generic_access),
    /* 2 */ DECLARATION(declare_name),
    /* 3 */ {TYPE(DEVICE_NAME), TEXT(SERVICES_NAME)},
    /* 4 */ DECLARATION(declare_appearance),
    /* 5 */ {TYPE(APPEARANCE), VALUE(appearance)},
    /* 6 */ SERVICE(generic_attribute),
    /* 7 */ SERVICE(device_information),
    /* 8 */ DECLARATION(declare_manufacturer),
    /* 9 */ {TYPE(MANUFACTURER_NAME), TEXT("hil")},
    /* 10 */ DECLARATION(declare_model),
    /* 11 */ {TYPE(MODEL_NUMBER), TEXT("nRF52840 reference device")},
    /* 12 */ DECLARATION(declare_firmware),
    /* 13 */ {TYPE(FIRMWARE_REVISION), .kind = GATT_DYNAMIC, .read = read_firmware},
    /* 14 */ DECLARATION(declare_hardware),
    /* 15 */ {TYPE(HARDWARE_REVISION), .kind = GATT_DYNAMIC, .read = read_hardware},
    /* 16 */ SERVICE(battery_service),
    /* 17 */ DECLARATION(declare_battery),
    /* 18 */ {TYPE(BATTERY_LEVEL), .kind = GATT_DYNAMIC, .read = read_battery},
    /* 19 */ CONFIGURATION,
    /* 20 */ SERVICE(services_smp_uuid),
    /* 21 */ DECLARATION(declare_smp),
    /* 22 */ {LONG_TYPE(SMP_CHARACTERISTIC), .kind = GATT_DYNAMIC, .write = smp_ble_write},
    /* 23 */ CONFIGURATION,
    /* 24 */ SERVICE(sink_service),
    /* 25 */ DECLARATION(declare_sink),
    /* 26 */ {LONG_TYPE(SINK_UUID(2)), .kind = GATT_DYNAMIC, .write = write_sink},
    /* 27 */ DECLARATION(declare_counter),
    /* 28 */
    {LONG_TYPE(SINK_UUID(3)), .kind = GATT_DYNAMIC, .read = read_counter, .write = write_counter},
};

const uint16_t gatt_table_length = sizeof(gatt_table) / sizeof(gatt_table[0]);

_Static_assert(sizeof(gatt_table) / sizeof(gatt_table[0]) == 28, "the handles above count on it");

void services_battery_changed(uint8_t percent) {
    (void)att_notify(SERVICES_BATTERY_HANDLE, &percent, 1);
}
