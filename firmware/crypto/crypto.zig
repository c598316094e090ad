//! The firmware's cryptography (crypto.h) over Zig's std.crypto. Each function is an export of its own, so that the linker
//! keeps only what a program calls.
const std = @import("std");
const crypto = std.crypto;

// A public-key verification and a hash of public data have no secret to leak; ECIES below works on a secret only when an
// encrypted image is unwrapped, on a device whose attacker holds no oscilloscope. Keep the standard's default there.
pub const std_options: std.Options = .{ .side_channels_mitigations = .basic };
pub const panic = std.debug.no_panic;

const Sha256 = crypto.hash.sha2.Sha256;
const P256 = crypto.sign.ecdsa.EcdsaP256Sha256;
const Ed25519 = crypto.sign.Ed25519;
const HmacSha256 = crypto.auth.hmac.sha2.HmacSha256;
const HkdfSha256 = crypto.kdf.hkdf.HkdfSha256;
const Aes128 = crypto.core.aes.Aes128;

const Sha256Context = extern struct { state: [16]u64 align(16) };

comptime {
    std.debug.assert(@sizeOf(Sha256) <= @sizeOf(Sha256Context));
    std.debug.assert(@alignOf(Sha256) <= @alignOf(Sha256Context));
}

fn hasher(context: *Sha256Context) *Sha256 {
    return @ptrCast(context);
}

export fn crypto_sha256_init(context: *Sha256Context) callconv(.c) void {
    hasher(context).* = Sha256.init(.{});
}

export fn crypto_sha256_update(context: *Sha256Context, data: [*]const u8, length: u32) callconv(.c) void {
    hasher(context).update(data[0..length]);
}

export fn crypto_sha256_final(context: *Sha256Context, digest: *[32]u8) callconv(.c) void {
    hasher(context).final(digest);
}

fn publicKey(public_key: *const [64]u8) ?P256.PublicKey {
    var sec1: [65]u8 = undefined;
    sec1[0] = 4;
    @memcpy(sec1[1..], public_key);
    return P256.PublicKey.fromSec1(&sec1) catch null;
}

export fn crypto_p256_verify(digest: *const [32]u8, signature: *const [64]u8, public_key: *const [64]u8) callconv(.c) bool {
    const key = publicKey(public_key) orelse return false;
    P256.Signature.fromBytes(signature.*).verifyPrehashed(digest.*, key) catch return false;
    return true;
}

export fn crypto_ed25519_verify(signature: *const [64]u8, public_key: *const [32]u8, message: [*]const u8, length: u32) callconv(.c) bool {
    const key = Ed25519.PublicKey.fromBytes(public_key.*) catch return false;
    Ed25519.Signature.fromBytes(signature.*).verify(message[0..length], key) catch return false;
    return true;
}

/// Block by block: the standard library's own CTR works on many blocks at once, which takes 6 KB more.
fn ctr(key: *const [16]u8, offset: u32, data: []u8) void {
    const aes = Aes128.initEnc(key.*);
    var counter: [16]u8 = @splat(0);
    var stream: [16]u8 = undefined;
    var at: usize = 0;
    while (at < data.len) : (at += 16) {
        std.mem.writeInt(u32, counter[12..16], @intCast((offset + at) / 16), .big);
        aes.encrypt(&stream, &counter);
        for (data[at..@min(at + 16, data.len)], stream[0..@min(16, data.len - at)]) |*byte, mask| byte.* ^= mask;
    }
}

export fn crypto_aes128_ctr(key: *const [16]u8, offset: u32, data: [*]u8, length: u32) callconv(.c) void {
    ctr(key, offset, data[0..length]);
}

/// MCUboot's key wrapping: ECDH on P-256, HKDF-SHA256 without salt and with the info below gives 16 bytes of cipher key and
/// 32 of MAC key; the tag covers the encrypted key.
export fn crypto_ecies_p256_unwrap(private_key: *const [32]u8, tlv: *const [113]u8, key: *[16]u8) callconv(.c) bool {
    const ephemeral = crypto.ecc.P256.fromSec1(tlv[0..65]) catch return false;
    const shared = ephemeral.mul(private_key.*, .big) catch return false;
    // The affine x is X / Z. The inverse by Fermat's theorem shares its multiplications with the signature check; the library's
    // own inversion takes 2 KB more.
    const inverse = shared.z.pow(u256, crypto.ecc.P256.Fe.field_order - 2);
    const secret = shared.x.mul(inverse).toBytes(.big);
    const extracted = HkdfSha256.extract("", &secret);
    var derived: [48]u8 = undefined;
    HkdfSha256.expand(&derived, "MCUBoot_ECIES_v1", extracted);
    var tag: [32]u8 = undefined;
    HmacSha256.create(&tag, tlv[97..113], derived[16..48]);
    if (!crypto.timing_safe.eql([32]u8, tag, tlv[65..97].*)) return false;
    key.* = tlv[97..113].*;
    ctr(derived[0..16], 0, key);
    return true;
}

export fn crypto_equal(left: [*]const volatile u8, right: [*]const volatile u8, length: u32) callconv(.c) bool {
    var difference: u8 = 0;
    for (0..length) |i| difference |= left[i] ^ right[i];
    return difference == 0;
}
